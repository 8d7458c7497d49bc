//! Finds the name that was probably meant; decides nothing about severity.

/// Longer words are nobody's slip; comparing costs their length times that of each known name.
const MAX_CHARACTERS: usize = 200;

/// The nearest of the known names, if it is near enough to be meant.
///
/// The same name in another case always counts; otherwise up to a third of the letters may be wrong.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.chars().nth(MAX_CHARACTERS).is_some() {
        return None;
    }
    let lower = written.to_lowercase();
    let allowed = (lower.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter_map(|name| {
            let distance = strsim::damerau_levenshtein(&lower, &name.to_lowercase());
            // A name of one or two letters is near to everything.
            let near = distance == 0 || (distance <= allowed && name.chars().count() > distance + 1);
            near.then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let known = ["Params", "Param", "Groups", "id", "trending"];
        for (written, meant) in [
            ("Parms", Some("Params")),
            ("params", Some("Params")),
            ("Gruops", Some("Groups")),
            ("trendign", Some("trending")),
            ("ID", Some("id")),
            ("ie", None),
            ("Whatever", None),
            (&"Params".repeat(1_000_000), None),
        ] {
            assert_eq!(did_you_mean(written, known), meant, "{written}");
        }
    }
}
