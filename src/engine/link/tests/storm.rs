//! What thousands of links do that are dropped at once.

use super::*;

/// When each of so many links that one server drops at once is ready again, in seconds after the drop, and when each dialled.
fn storm(links: u64, limits: Limits) -> (Vec<f64>, Vec<Instant>) {
    let mut ctx = Context::new(base(), Wall(0), 11);
    let mut effects = Vec::new();
    let mut all: Vec<Link> = (0..links).map(|_| Link::new(&ctx, Policy::default())).collect();
    // Up, and for long enough to be believed in.
    for link in &mut all {
        link.step(&mut ctx, Input::Target(Target::Known), &mut effects);
        link.step(&mut ctx, Input::Granted { epoch: Epoch(1) }, &mut effects);
        link.step(&mut ctx, Input::Opened { epoch: Epoch(1) }, &mut effects);
    }
    ctx.advance(Duration::from_secs(60));
    let start = ctx.now;
    let mut budget = Budget::new(start, limits);
    let mut wakes: BTreeSet<(Instant, usize)> = BTreeSet::new();
    let (mut back, mut dialled, mut granted) = (Vec::new(), Vec::new(), Vec::new());
    for (index, link) in all.iter_mut().enumerate() {
        let lost = Input::Lost { epoch: Epoch(1), verdict: Verdict::TRANSIENT, close: None };
        link.step(&mut ctx, lost, &mut effects);
        wakes.extend(link.wake_at().map(|at| (at, index)));
    }
    while back.len() < all.len() {
        let wake = wakes.first().map(|(at, _)| *at);
        let next = wake.into_iter().chain(budget.wake_at()).min().unwrap();
        let forward = next.saturating_duration_since(ctx.now);
        ctx.advance(forward);
        while let Some((at, index)) = wakes.first().copied().filter(|(at, _)| *at <= ctx.now) {
            wakes.remove(&(at, index));
            effects.clear();
            all[index].step(&mut ctx, Input::Tick, &mut effects);
            if effects.iter().any(|effect| matches!(effect, Effect::RequestDial { .. })) {
                budget.request(ctx.now, "server", index);
            } else {
                wakes.extend(all[index].wake_at().map(|at| (at, index)));
            }
        }
        granted.clear();
        budget.grant(ctx.now, &mut granted);
        for index in &granted {
            let epoch = Epoch(2);
            all[*index].step(&mut ctx, Input::Granted { epoch }, &mut effects);
            all[*index].step(&mut ctx, Input::Opened { epoch }, &mut effects);
            assert_eq!(all[*index].ready(), Some(epoch));
            dialled.push(ctx.now);
            back.push((ctx.now - start).as_secs_f64());
        }
    }
    (back, dialled)
}

#[test]
fn two_thousand_links_dropped_at_once_come_back_spread_out() {
    let (back, _) = storm(2_000, Limits { per_second: None, per_host_per_second: None });
    let mean = back.iter().sum::<f64>() / 2_000.0;
    let deviation = (back.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / 2_000.0).sqrt();
    let window = Policy::default().initial_delay.as_secs_f64();
    assert!(deviation >= window / 4.0, "deviation {deviation} s of a window of {window} s");

    let (back, dialled) = storm(2_000, Limits::default());
    assert_eq!(back.len(), 2_000);
    for pair in dialled.windows(51) {
        assert!(pair[50] - pair[0] >= Duration::from_secs(1), "more than 50 dials in a second");
    }
    assert!(
        back.last().is_some_and(|last| (40.0..50.0).contains(last)),
        "2,000 at 50 a second, a tenth spread, take 48 s: {:?}",
        back.last()
    );
}
