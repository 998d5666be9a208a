//! That an absence is looked at in time, whatever else is asked for.

use super::*;

fn path(name: &str) -> RelPath {
    RelPath(vec![sync_engine::Name::try_from(name).unwrap()])
}

/// Takes tasks, 10 ms apart, until one looks at a path; each look before it asks for itself again. Returns how many there
/// were.
async fn looks_until(queue: &Queue, wanted: &RelPath, again: impl Fn(Vec<Due>)) -> Option<usize> {
    for n in 0..1000 {
        tokio::time::advance(Duration::from_millis(10)).await;
        match queue.next_task(16) {
            Next::Take(Task::Look { due, late, .. }) => {
                if due.iter().any(|due| due.path == *wanted) {
                    assert!(late, "its absence is believed");
                    return Some(n);
                }
                again(due);
            }
            Next::Wait(_) => {}
            next => panic!("{next:?}"),
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn an_absence_is_looked_at_although_places_are_judged_together_over_and_over() {
    let queue = Queue::new(Rules::default());
    let gone = path("gone");
    queue.look_late([gone.clone()], None);
    queue.look_together(vec![path("a"), path("b")], 0);
    let again = |due: Vec<Due>| queue.look_together(due.into_iter().map(|due| due.path).collect(), 0);
    assert!(looks_until(&queue, &gone, again).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_absence_is_looked_at_although_a_place_asks_for_another_look_over_and_over() {
    let queue = Queue::new(Rules::default());
    let gone = path("gone");
    queue.look_late([gone.clone()], None);
    queue.hint(path("a"), Urgency::Now, None);
    let again = |due: Vec<Due>| {
        let paths = due.into_iter().map(|due| due.path);
        paths.for_each(|path| queue.hint(path, Urgency::Now, None));
    };
    assert!(looks_until(&queue, &gone, again).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_absence_waits_for_what_hangs_together_with_it() {
    let queue = Queue::new(Rules::default());
    let gone = path("gone");
    queue.look_late([gone.clone()], None);
    queue.look_together(vec![path("a"), path("b")], 0);
    let n_looks = looks_until(&queue, &gone, drop).await;
    assert!(
        n_looks.is_some_and(|n_looks| 0 < n_looks && n_looks < 10),
        "{n_looks:?}"
    );
}
