//! Finds what depends on each other in circles: the strongly connected components of a graph, by Tarjan's algorithm
//! without recursion.

use crate::NodeId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What each node depends on; nothing if it can never be satisfied.
pub(super) type Graph = BTreeMap<NodeId, Option<Vec<NodeId>>>;

#[derive(Clone, Copy)]
struct Visit {
    number: usize,
    lowest: usize,
    is_open: bool,
}

/// Returns the components, each after those that it depends on.
pub(super) fn knots(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut visits: BTreeMap<NodeId, Visit> = BTreeMap::new();
    let mut open: Vec<NodeId> = Vec::new();
    let mut found = Vec::new();
    let mut path: Vec<(NodeId, usize)> = Vec::new();
    for &start in graph.keys() {
        if !visits.contains_key(&start) {
            path.push((start, 0));
        }
        while let Some((id, next)) = path.pop() {
            if next == 0 {
                let number = visits.len();
                visits.insert(
                    id,
                    Visit {
                        number,
                        lowest: number,
                        is_open: true,
                    },
                );
                open.push(id);
            }
            let targets = graph.get(&id).and_then(Option::as_deref).unwrap_or(&[]);
            if let Some(target) = targets.get(next) {
                path.push((id, next + 1));
                match visits.get(target).copied() {
                    None => path.push((*target, 0)),
                    Some(seen) if seen.is_open => lower(&mut visits, id, seen.number),
                    Some(_) => (),
                }
                continue;
            }
            let visit = visits[&id];
            if visit.lowest == visit.number {
                found.push(close(&mut open, &mut visits, id));
            }
            if let Some((above, _)) = path.last() {
                lower(&mut visits, *above, visit.lowest);
            }
        }
    }
    found
}

fn lower(visits: &mut BTreeMap<NodeId, Visit>, id: NodeId, to: usize) {
    if let Some(visit) = visits.get_mut(&id) {
        visit.lowest = visit.lowest.min(to);
    }
}

fn close(open: &mut Vec<NodeId>, visits: &mut BTreeMap<NodeId, Visit>, root: NodeId) -> Vec<NodeId> {
    let mut knot = Vec::new();
    while let Some(id) = open.pop() {
        if let Some(visit) = visits.get_mut(&id) {
            visit.is_open = false;
        }
        knot.push(id);
        if id == root {
            break;
        }
    }
    knot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_and_come_after_what_they_depend_on() {
        let id = |n: u8| NodeId([n; 16]);
        let edges: [(u8, &[u8]); 6] = [
            (1, &[2]),
            (2, &[3, 4]),
            (3, &[1]),
            (4, &[5]),
            (5, &[4]),
            (6, &[1]),
        ];
        let graph = edges
            .iter()
            .map(|(n, to)| (id(*n), Some(to.iter().map(|n| id(*n)).collect())));
        let mut found = knots(&graph.collect());
        found.iter_mut().for_each(|knot| knot.sort());
        let expected: [&[u8]; 3] = [&[4, 5], &[1, 2, 3], &[6]];
        let expected: Vec<Vec<NodeId>> = expected
            .iter()
            .map(|knot| knot.iter().map(|n| id(*n)).collect())
            .collect();
        assert_eq!(found, expected);
    }
}
