//! That an absence is looked at in time, whatever else is asked for.

use super::*;

fn path(name: &str) -> RelPath {
    RelPath(vec![sync_engine::Name::try_from(name).unwrap()])
}

/// Asks for a look at an absence and for something else, and takes tasks, 10 ms apart, until one looks at the absence; each
/// look before it may ask for itself again. Returns how many times a task was asked for before.
async fn n_before_absence(begin: impl Fn(&Queue), again: impl Fn(&Queue, Vec<RelPath>)) -> Option<usize> {
    let (queue, gone) = (Queue::new(Rules::default()), path("gone"));
    queue.look_late([gone.clone()], None);
    begin(&queue);
    for n in 0..1000 {
        tokio::time::advance(Duration::from_millis(10)).await;
        match queue.next_task(16) {
            Next::Take(Task::Look { due, late, .. }) => {
                let paths: Vec<RelPath> = due.into_iter().map(|due| due.path).collect();
                if paths.contains(&gone) {
                    assert!(late, "its absence is believed");
                    return Some(n);
                }
                again(&queue, paths);
            }
            Next::Wait(_) => {}
            next => panic!("{next:?}"),
        }
    }
    None
}

fn together(queue: &Queue) {
    queue.look_together(vec![path("a"), path("b")], 0);
}

#[tokio::test(start_paused = true)]
async fn an_absence_is_looked_at_although_places_are_judged_together_over_and_over() {
    let again = |queue: &Queue, paths| queue.look_together(paths, 0);
    assert!(n_before_absence(together, again).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_absence_is_looked_at_although_a_place_asks_for_another_look_over_and_over() {
    let ask = |queue: &Queue, path| queue.hint(path, Urgency::Now, None);
    let again = |queue: &Queue, paths: Vec<RelPath>| paths.into_iter().for_each(|path| ask(queue, path));
    let n_before = n_before_absence(|queue| ask(queue, path("a")), again).await;
    assert!(n_before.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_absence_waits_for_what_hangs_together_with_it() {
    let n_before = n_before_absence(together, |_, _| ()).await;
    assert!(
        n_before.is_some_and(|n_before| 0 < n_before && n_before < 10),
        "{n_before:?}"
    );
}
