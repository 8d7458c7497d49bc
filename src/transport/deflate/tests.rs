//! Negotiation as tables: offers, answers, and what a server chooses.

use super::*;

#[track_caller]
fn accepts(offer: &str, answer: &str) -> Agreed {
    Offer::parse(offer).accept(Some(answer)).unwrap().unwrap()
}

#[track_caller]
fn refuses(offer: &str, answer: &str) -> NegotiationError {
    Offer::parse(offer).accept(Some(answer)).unwrap_err()
}

#[test]
fn an_answer_that_fits_the_offer_is_agreed() {
    let plain = accepts("permessage-deflate", "permessage-deflate");
    assert_eq!((plain.server_max_window_bits(), plain.client_max_window_bits()), (15, 15));
    assert!(!plain.server_no_context_takeover() && !plain.client_no_context_takeover());

    for (offer, answer) in [
        ("permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=8"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=9"),
        // A server may restrict itself, and the client, unasked.
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=8"),
        ("permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ("permessage-deflate; client_no_context_takeover", "permessage-deflate"),
        // The second offer fits.
        (
            "permessage-deflate; server_max_window_bits=9, permessage-deflate",
            "permessage-deflate; server_max_window_bits=12",
        ),
        ("x-other, permessage-deflate", "Permessage-Deflate"),
        (
            "permessage-deflate;client_max_window_bits",
            "permessage-deflate ; client_max_window_bits=\"1\\2\" ,",
        ),
    ] {
        accepts(offer, answer);
    }
}

#[test]
fn the_agreed_values_are_those_of_the_answer() {
    let agreed = accepts(
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=\"12\"",
    );
    assert!(agreed.server_no_context_takeover());
    assert_eq!((agreed.server_max_window_bits(), agreed.client_max_window_bits()), (10, 12));
    assert_eq!(
        agreed.to_string(),
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=12"
    );
}

#[test]
fn no_answer_is_no_extension() {
    for answer in [None, Some(""), Some(" , ,")] {
        assert_eq!(Offer::parse("permessage-deflate").accept(answer), Ok(None));
    }
}

#[test]
fn an_answer_that_fits_no_offer_is_refused() {
    for (offer, answer) in [
        ("permessage-deflate", "permessage-deflate; client_max_window_bits=15"),
        ("permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=11"),
        ("permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=11"),
        ("permessage-deflate; server_max_window_bits=10", "permessage-deflate"),
        ("permessage-deflate; server_no_context_takeover", "permessage-deflate"),
    ] {
        let error = refuses(offer, answer);
        assert!(matches!(error, NegotiationError::DoesNotFit(_)), "{offer} / {answer}: {error}");
    }
    assert_eq!(refuses("", "permessage-deflate"), NegotiationError::NotOffered);
    assert_eq!(refuses("permessage-deflate; bogus", "permessage-deflate"), NegotiationError::NotOffered);
    assert_eq!(
        refuses("permessage-deflate", "permessage-deflate, permessage-deflate"),
        NegotiationError::Twice
    );
    assert_eq!(
        refuses("permessage-deflate", "permessage-deflate, x-mux").to_string(),
        "the server selected the extension `x-mux`, which is not implemented"
    );
}

#[test]
fn bad_parameters_of_an_answer_are_named() {
    for (parameters, named) in [
        ("server_max_window_bits", "the bad parameter `server_max_window_bits`"),
        ("server_max_window_bits=7", "the bad parameter `server_max_window_bits=7`"),
        ("server_max_window_bits=16", "the bad parameter `server_max_window_bits=16`"),
        ("server_max_window_bits=08", "the bad parameter `server_max_window_bits=08`"),
        ("client_max_window_bits", "the bad parameter `client_max_window_bits`"),
        ("server_no_context_takeover=true", "the bad parameter `server_no_context_takeover=true`"),
        ("mystery", "the bad parameter `mystery`"),
        (
            "server_no_context_takeover; server_no_context_takeover",
            "the parameter `server_no_context_takeover` twice",
        ),
    ] {
        let error = refuses(
            "permessage-deflate; client_max_window_bits",
            &format!("permessage-deflate; {parameters}"),
        );
        assert_eq!(error, NegotiationError::BadParameter(named.to_owned()));
    }
    for malformed in
        ["permessage-deflate;", "permessage-deflate x", "=", "permessage-deflate; a=\"b", "a; b=\"c d\""]
    {
        let error = refuses("permessage-deflate", malformed);
        assert!(matches!(error, NegotiationError::Malformed(_)), "{malformed}: {error}");
    }
}

#[test]
fn an_offer_tells_what_is_unknown_and_what_is_wrong() {
    let offer = Offer::parse("x-mux; a=1, permessage-deflate; foo, permessage-deflate");
    assert_eq!(offer.unknown(), ["x-mux"]);
    assert_eq!(offer.problems(), ["the bad parameter `foo`"]);
    assert!(offer.offers_deflate());
    assert!(!Offer::parse("permessage-deflate;;").offers_deflate());
}

#[test]
fn a_server_chooses_the_first_valid_offer_and_its_answer_fits() {
    let all = Preference {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: Some(11),
        client_max_window_bits: Some(10),
    };
    let wide = Preference::default();
    for (offer, preference, answer) in [
        ("permessage-deflate", wide, "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", wide, "permessage-deflate"),
        (
            "permessage-deflate; server_max_window_bits=9; server_no_context_takeover",
            wide,
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
        ),
        (
            "permessage-deflate; bad, permessage-deflate; client_max_window_bits=9",
            all,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=11; client_max_window_bits=9",
        ),
        (
            "permessage-deflate",
            all,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11",
        ),
    ] {
        let offered = Offer::parse(offer);
        let agreed = offered.choose(preference).unwrap();
        assert_eq!(agreed.to_string(), answer, "{offer}");
        assert_eq!(offered.accept(Some(answer)), Ok(Some(agreed)), "{offer}");
    }
    assert_eq!(Offer::parse("x-mux").choose(wide), None);
    assert_eq!(Offer::parse("").choose(wide), None);
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(header in ".{0,80}", answer in "[a-z_=;,\" 0-9\\\\-]{0,60}") {
        let offer = Offer::parse(&header);
        let _ = offer.accept(Some(&answer));
        let _ = Offer::parse(&answer).choose(Preference::default());
    }
}
