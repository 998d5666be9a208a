//! That an absence is looked at in time, whatever else is asked for.

use super::*;
use std::collections::VecDeque;

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

/// Returns the paths that are to be looked at now, or how long to wait.
fn looked_at(queue: &Queue) -> Result<Vec<RelPath>, Duration> {
    match queue.next_task(16) {
        Next::Take(Task::Look { due, .. }) => Ok(due.into_iter().map(|due| due.path).collect()),
        Next::Wait(Some(until)) => Err(until - Instant::now()),
        next => panic!("{next:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_of_a_burst_is_looked_at_at_once_and_the_others_together() {
    let queue = Queue::new(Rules::default());
    queue.hint(path("a"), Urgency::Now, None);
    assert_eq!(looked_at(&queue), Ok(vec![path("a")]));
    for name in ["b", "c"] {
        queue.hint(path(name), Urgency::Now, None);
    }
    let wait = looked_at(&queue).unwrap_err();
    assert!(!wait.is_zero() && wait <= Duration::from_millis(5), "{wait:?}");
    tokio::time::advance(wait).await;
    assert_eq!(looked_at(&queue), Ok(vec![path("b"), path("c")]));
}

#[tokio::test(start_paused = true)]
async fn while_the_driver_is_at_work_on_much_hints_gather_until_it_may_be_done() {
    let queue = Queue::new(Rules::default());
    queue.sending();
    queue.handled(&[], true, 16);
    queue.hint(path("a"), Urgency::Now, None);
    // What is absent waits for them, though it was due before.
    queue.look_late([path("gone")], None);
    let wait = looked_at(&queue).unwrap_err();
    assert_eq!(wait, BUSY_DELAY);
    tokio::time::advance(wait).await;
    assert_eq!(looked_at(&queue), Ok(vec![path("a")]));
}

#[tokio::test(start_paused = true)]
async fn the_worker_that_looks_is_woken_for_what_comes_earlier_than_it_waits_for() {
    let queue = Queue::new(Rules::default());
    let far = Duration::from_secs(3600);
    let rung = async || {
        let now = Instant::now();
        queue.looker().rung(Some(now + far / 4)).await;
        Instant::now() < now + far / 4
    };
    queue.hint(path("a"), Urgency::After(far), None);
    assert!(looked_at(&queue).is_err());
    queue.hint(path("b"), Urgency::After(2 * far), None);
    assert!(!rung().await, "what is later is no reason");
    queue.hint(path("c"), Urgency::Now, None);
    assert!(rung().await);
}

#[tokio::test(start_paused = true)]
async fn what_comes_where_something_has_left_is_doubted() {
    let queue = Queue::new(Rules::default());
    queue.look_late([path("gone")], None);
    for name in ["gone", "other"] {
        queue.hint(path(name), Urgency::Fresh, None);
    }
    let Next::Take(Task::Look { due, .. }) = queue.next_task(16) else {
        panic!("they are due");
    };
    let doubts: Vec<Doubt> = due.into_iter().map(|due| due.doubt).collect();
    assert_eq!(doubts, [Doubt::IfYoung, Doubt::None]);
}

#[tokio::test(start_paused = true)]
async fn what_is_being_looked_at_proves_nothing_before_it_is_handled() {
    let queue = Queue::new(Rules::default());
    queue.hint(path("a"), Urgency::Now, None);
    assert!(queue.has_hints());
    assert!(looked_at(&queue).is_ok());
    assert!(queue.has_hints());
    queue.sending();
    assert!(matches!(queue.next_task(16), Next::Wait(None)));
    assert!(queue.has_hints());
    queue.handled(&[0], true, 0);
    assert!(!queue.has_hints());
}

/// Lets a tree of directories inside each other be walked, of each of which the watcher tells, so many between two tasks;
/// returns how many directories are walked.
async fn n_walks(n_dirs: usize, n_told_at_once: usize) -> usize {
    let queue = Queue::new(Rules::default());
    let name = sync_engine::Name::try_from("d").unwrap();
    let mut untold: VecDeque<RelPath> = (1..=n_dirs)
        .map(|depth| RelPath(vec![name.clone(); depth]))
        .collect();
    let mut n_walks = 0;
    loop {
        for path in untold.drain(..n_told_at_once.min(untold.len())) {
            queue.hint(path, Urgency::Fresh, None);
        }
        match queue.next_task(512) {
            Next::Take(Task::Look { due, .. }) => {
                for due in due.into_iter().filter(|due| due.deep) {
                    queue.walk(due.path, due.epoch, Approach::Barrier);
                }
            }
            Next::Take(Task::Walk { dir, epoch, approach }) => {
                n_walks += 1;
                if approach == Approach::Barrier {
                    queue.pass_barrier();
                }
                queue.listed(&dir);
                if dir.0.len() < n_dirs {
                    queue.walk(dir.join(&name), epoch, Approach::Plain);
                }
            }
            Next::Wait(None) if untold.is_empty() => return n_walks,
            Next::Wait(_) => tokio::time::advance(Duration::from_millis(1)).await,
            next => panic!("{next:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_new_directories_inside_each_other_each_is_walked_once() {
    assert_eq!(n_walks(300, 300).await, 300);
    // Where the word of them comes while they are walked already, some are walked again, but never all for each.
    assert!(n_walks(300, 20).await <= 3 * 300);
}
