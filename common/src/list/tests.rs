//! Laws and frozen values of lists.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A file's chunks, which differ from each other.
fn chunks(count: u64) -> Vec<Part> {
    (0..count)
        .map(|i| Part {
            hash: Hash::of(&i.to_le_bytes()),
            len_bytes: 1 + i % 1000,
        })
        .collect()
}

fn build(chunks: &[Part]) -> (Vec<List>, Content) {
    let mut builder = ListBuilder::new();
    let mut lists = Vec::new();
    for chunk in chunks {
        lists.extend(builder.push(chunk.hash, chunk.len_bytes).unwrap());
    }
    let (rest, content) = builder.finish().unwrap();
    lists.extend(rest);
    (lists, content)
}

/// Reads the chunks back, from the top.
fn read(lists: &[List], content: Content) -> Result<Vec<Part>, ListError> {
    if content.size_bytes == 0 {
        return Ok(Vec::new());
    }
    let by_hash: BTreeMap<Hash, &[u8]> = lists.iter().map(|list| (list.hash, &*list.bytes)).collect();
    let mut parts = vec![Part {
        hash: content.hash,
        len_bytes: content.size_bytes,
    }];
    for depth in (1..=content.depth).rev() {
        let mut below = Vec::new();
        for part in parts {
            below.extend(decode_list(by_hash[&part.hash], depth, part.len_bytes)?);
        }
        parts = below;
    }
    Ok(parts)
}

#[test]
fn an_empty_file_has_no_chunk_and_no_list() {
    assert_eq!(build(&[]), (Vec::new(), empty_content()));
    assert_eq!(
        empty_content().hash.to_string(),
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    );
}

#[test]
fn a_file_of_one_chunk_is_named_by_it() {
    let chunk = chunks(1)[0];
    let content = Content {
        hash: chunk.hash,
        size_bytes: chunk.len_bytes,
        depth: 0,
    };
    assert_eq!(build(&[chunk]), (Vec::new(), content));
}

#[test]
fn what_names_a_file_is_frozen() {
    let frozen = [
        (
            2,
            1,
            1,
            "705f7e49d477ab62709196cc397e3aa88011a1dbf6a3e39dcf11f9ed179bb0bc",
        ),
        (
            100,
            2,
            4,
            "b6fd2e2332d412ad0001948898cf4b867bab7d944969dac0ab227225821f2318",
        ),
        (
            1000,
            2,
            10,
            "57b400bc294606fb0a1b7fa1b810096c22c5bc107ed9759ed5858ca3b1ddec25",
        ),
        (
            200_000,
            3,
            1442,
            "41f366ebce069ed3b6a28e3b10b955aec4067b3569d9d5306ff44ec999c5edf5",
        ),
    ];
    for (count, depth, n_lists, hash) in frozen {
        let (lists, content) = build(&chunks(count));
        let found = (count, content.depth, lists.len(), &*content.hash.to_string());
        assert_eq!(found, (count, depth, n_lists, hash));
    }
}

#[test]
fn equal_chunks_are_named_in_lists_of_the_greatest_length() {
    let chunk = Part {
        hash: Hash([1; 32]),
        len_bytes: 262_144,
    };
    let (lists, content) = build(&[chunk; PARTS_MAX * 3]);
    assert_eq!((lists.len(), content.depth), (4, 2));
    assert_eq!(lists[0].bytes.len(), LIST_LEN_MAX);
    assert_eq!(lists[0], lists[2]);
}

#[test]
fn no_list_is_too_short_or_too_long() {
    let cut = Part {
        hash: Hash([0; 32]),
        len_bytes: 1,
    };
    let (lists, _) = build(&[cut; PARTS_MIN * 4]);
    let n_parts: Vec<usize> = lists.iter().map(|list| list.bytes.len() / PART_LEN).collect();
    assert_eq!(n_parts, [PARTS_MIN, PARTS_MIN, PARTS_MIN, PARTS_MIN, 4]);
}

#[test]
fn an_edit_in_the_middle_makes_one_or_two_new_lists_on_each_level() {
    let mut chunks = chunks(20_000);
    let (before, _) = build(&chunks);
    chunks.insert(
        10_000,
        Part {
            hash: Hash([9; 32]),
            len_bytes: 5,
        },
    );
    let (after, content) = build(&chunks);
    let n_new = after.iter().filter(|list| !before.contains(list)).count();
    assert!(n_new <= 2 * usize::from(content.depth), "{n_new} new lists");
}

#[test]
fn a_file_that_would_need_too_many_levels_is_refused() {
    let almost_full = |n_levels: u8| {
        let parts = vec![
            Part {
                hash: Hash([1; 32]),
                len_bytes: 1
            };
            PARTS_MAX - 1
        ];
        let level = |_| Level {
            parts: parts.clone(),
            has_list: true,
        };
        let mut builder = ListBuilder {
            levels: (0..n_levels).map(level).collect(),
        };
        builder.push(Hash([1; 32]), 1).map(|_| builder)
    };
    let builder = almost_full(LIST_DEPTH_MAX).unwrap();
    assert_eq!(builder.finish().unwrap().1.depth, LIST_DEPTH_MAX);
    assert_eq!(almost_full(LIST_DEPTH_MAX + 1).unwrap_err(), ListError::TooLarge);
}

#[test]
fn a_list_that_is_not_what_was_said_is_refused() {
    let list = encode_list(1, &chunks(3));
    assert_eq!(decode_list(&list.bytes, 1, 6).unwrap(), chunks(3));
    assert_eq!(
        decode_list(&list.bytes, 2, 6),
        Err(ListError::Depth {
            expected: 2,
            found: 1
        })
    );
    assert_eq!(
        decode_list(&list.bytes, 1, 7),
        Err(ListError::Sum {
            expected: 7,
            found: 6
        })
    );
    assert_eq!(
        decode_list(&list.bytes[..120], 1, 6),
        Err(ListError::Len { len: 120 })
    );
    assert_eq!(decode_list(&[1], 1, 0), Err(ListError::Len { len: 1 }));
    assert_eq!(decode_list(&[], 1, 0), Err(ListError::Len { len: 0 }));
    assert_eq!(decode_unnamed_list(&list.bytes), Ok((1, chunks(3))));
    for depth in [0, LIST_DEPTH_MAX + 1] {
        let list = encode_list(depth, &chunks(3));
        let error = ListError::Depth {
            expected: depth,
            found: depth,
        };
        assert_eq!(decode_unnamed_list(&list.bytes), Err(error));
    }
}

#[test]
fn parts_of_impossible_lengths_are_refused() {
    let hash = Hash([1; 32]);
    for len_bytes in [0, CHUNK_LEN_MAX as u64 + 1] {
        let list = encode_list(1, &[Part { hash, len_bytes }]);
        assert_eq!(
            decode_list(&list.bytes, 1, len_bytes),
            Err(ListError::PartLen { len_bytes })
        );
        assert_eq!(
            ListBuilder::new().push(hash, len_bytes),
            Err(ListError::PartLen { len_bytes })
        );
    }
    let list = encode_list(
        2,
        &[Part {
            hash,
            len_bytes: u64::MAX,
        }; 2],
    );
    assert_eq!(decode_list(&list.bytes, 2, u64::MAX), Err(ListError::TooLarge));
}

#[test]
fn a_chunk_with_the_bytes_of_a_list_has_another_name() {
    let list = encode_list(1, &chunks(3));
    assert_ne!(Hash::of(&list.bytes), list.hash);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_chunks_are_found_again_in_order(
        seeds in prop::collection::vec((0_u8..4, 1_u64..=CHUNK_LEN_MAX as u64), 0..2000)
    ) {
        // Few different last bytes, so that lists of all lengths come about.
        let chunks: Vec<Part> =
            seeds.into_iter().map(|(end, len_bytes)| Part { hash: Hash([end; 32]), len_bytes }).collect();
        let (lists, content) = build(&chunks);
        prop_assert_eq!(read(&lists, content), Ok(chunks.clone()));
        prop_assert_eq!(content.size_bytes, chunks.iter().map(|chunk| chunk.len_bytes).sum::<u64>());
        prop_assert_eq!(build(&chunks), (lists, content));
    }

    #[test]
    fn any_bytes_are_a_list_or_refused(bytes: Vec<u8>, depth: u8, len_bytes: u64) {
        prop_assert!(decode_list(&bytes, depth, len_bytes).is_err());
    }
}
