use super::*;
use crate::data::limits::ListBlock;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Push(End, Vec<Vec<u8>>),
    Set(usize, Vec<u8>),
    Insert(Side, usize, Vec<u8>),
    Remove(usize, usize),
    Drop(End, usize),
    Keep(usize, usize),
    RemoveEqual(End, usize, usize),
    Rotate(End, usize, End),
    Settle,
}

fn item() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (-3000i64..3000).prop_map(|int| int.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        4 => proptest::collection::vec(any::<u8>(), 0..40),
        2 => prop_oneof![Just(b"twin".to_vec()), Just(Vec::new()), Just(b"7".to_vec())],
        1 => (0usize..400).prop_map(|len| vec![b'x'; len]),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Left), Just(End::Right)]
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just(Side::Before), Just(Side::After)];
    prop_oneof![
        6 => (end(), proptest::collection::vec(item(), 1..20)).prop_map(|(end, items)| Step::Push(end, items)),
        3 => (any::<usize>(), item()).prop_map(|(at, item)| Step::Set(at, item)),
        6 => (side, any::<usize>(), item()).prop_map(|(side, at, item)| Step::Insert(side, at, item)),
        1 => (any::<usize>(), 0usize..12).prop_map(|(at, count)| Step::Remove(at, count)),
        2 => (end(), 0usize..12).prop_map(|(end, count)| Step::Drop(end, count)),
        1 => (any::<usize>(), 0usize..40).prop_map(|(at, count)| Step::Keep(at, count)),
        2 => (end(), any::<usize>(), prop_oneof![0usize..4, Just(usize::MAX)])
            .prop_map(|(end, at, most)| Step::RemoveEqual(end, at, most)),
        1 => (end(), 0usize..4, end()).prop_map(|(from, count, to)| Step::Rotate(from, count, to)),
        1 => Just(Step::Settle),
    ]
}

fn limits() -> impl Strategy<Value = ListLimits> {
    let block = prop_oneof![
        (1usize..10).prop_map(ListBlock::Items),
        (30usize..300).prop_map(ListBlock::Bytes),
        Just(ListBlock::Bytes(8192)),
    ];
    let alone = prop_oneof![3 => Just(None), 1 => (1usize..40).prop_map(Some)];
    (block, alone).prop_map(|(block, alone)| ListLimits { block, alone })
}

fn apply(list: &mut List, model: &mut Vec<Vec<u8>>, step: Step, limits: &ListLimits) {
    let len = model.len();
    match step {
        Step::Push(end, items) => {
            list.push(end, items.iter().map(|item| &item[..]), limits);
            match end {
                End::Left => items.into_iter().for_each(|item| model.insert(0, item)),
                End::Right => model.extend(items),
            }
        }
        Step::Set(at, item) => {
            let at = at % (len + 1);
            assert_eq!(list.set(at, &item, limits), at < len);
            if at < len {
                model[at] = item;
            }
        }
        Step::Insert(side, at, item) => {
            assert!(!list.insert(side, b"no such item", &item, limits));
            if len > 0 {
                let pivot = model[at % len].clone();
                assert!(list.insert(side, &pivot, &item, limits));
                let at = model.iter().position(|other| *other == pivot).expect("it is there");
                model.insert(at + (side == Side::After) as usize, item);
            }
        }
        Step::Remove(at, count) => {
            let at = at % (len + 1);
            list.remove(at, count, limits);
            model.drain(at..(at + count).min(len));
        }
        Step::Drop(end, count) => {
            list.drop_items(end, count, limits);
            match end {
                End::Left => drop(model.drain(..count.min(len))),
                End::Right => model.truncate(len.saturating_sub(count)),
            }
        }
        Step::Keep(at, count) => {
            let at = at % (len + 1);
            let rest = list.keep(at, count, limits);
            let removed = len - count.min(len - at);
            assert!(rest.is_none_or(|rest| rest.len() <= removed && !rest.is_empty()));
            model.truncate(at + count);
            model.drain(..at);
        }
        Step::RemoveEqual(end, at, most) => {
            let wanted = model.get(at % len.max(1)).cloned().unwrap_or_default();
            let equal = model.iter().filter(|item| **item == wanted).count();
            let gone = most.min(equal);
            assert_eq!(list.remove_equal(&wanted, end, most, limits), gone);
            let (first, mut seen) = (if end == End::Left { 0 } else { equal - gone }, 0);
            model.retain(|item| {
                seen += (*item == wanted) as usize;
                *item != wanted || seen <= first || seen > first + gone
            });
        }
        Step::Rotate(from, count, to) => {
            let items: Vec<Vec<u8>> = match from {
                End::Left => model.drain(..count.min(len)).collect(),
                End::Right => model.split_off(len.saturating_sub(count)),
            };
            list.rotate((from, count), (to, items.iter().map(|item| &item[..])), limits);
            match to {
                End::Left => items.into_iter().for_each(|item| model.insert(0, item)),
                End::Right => model.extend(items),
            }
        }
        Step::Settle => list.settle(limits),
    }
}

fn check(list: &List, model: &[Vec<u8>], limits: &ListLimits) {
    assert_eq!(list.len(), model.len());
    assert_eq!(list.iter().map(|item| item.to_vec()).collect::<Vec<_>>(), model);
    let mut back: Vec<Vec<u8>> = list.iter_back().map(|item| item.to_vec()).collect();
    back.reverse();
    assert_eq!(back, model);
    for index in [0, model.len() / 3, model.len() / 2, model.len().saturating_sub(1), model.len()] {
        assert_eq!(list.get(index).map(|item| item.to_vec()).as_ref(), model.get(index));
        let from = model.iter().skip(index);
        assert!(list.iter_from(index).map(|item| item.to_vec()).eq(from.cloned()));
        let back = model.iter().take(index + 1).rev();
        assert!(list.iter_back_from(index).map(|item| item.to_vec()).eq(back.cloned()));
    }
    let Form::Many(chain) = &list.form else { return };
    assert!(chain.len() > 0);
    let lengths = chain.blocks().iter().map(|block| (block.len(), Packed::len(block)));
    assert!(lengths.clone().all(|(known, own)| known == own));
    assert_eq!(chain.len(), lengths.map(|(known, _)| known).sum::<usize>());
    for block in chain.blocks() {
        assert!(!block.is_empty());
        // What was one block before it became a chain may be stretched.
        let fits = !limits.exceeded(block.len(), block.bytes() / STRETCH);
        assert!(fits || block.len() == 1, "{} items, {} bytes", block.len(), block.bytes());
    }
}

proptest! {
    #[test]
    fn a_list_is_a_vector_of_strings(
        limits in limits(),
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let (mut list, mut model) = (List::default(), Vec::new());
        for step in steps {
            apply(&mut list, &mut model, step, &limits);
            check(&list, &model, &limits);
        }
        check(&list.clone(), &model, &limits);
    }
}

fn list_of<'a>(items: impl IntoIterator<Item = &'a [u8]>, limits: &ListLimits) -> List {
    let mut list = List::default();
    items.into_iter().for_each(|item| list.push(End::Right, std::iter::once(item), limits));
    list
}

#[test]
fn the_form_changes_where_redis_changes_it() {
    let three = ListLimits::of_directive(3);
    let mut list = list_of([&b"a"[..], b"b", b"c"], &three);
    assert_eq!(list.encoding(), "listpack");
    list.push(End::Left, std::iter::once(&b"d"[..]), &three);
    assert_eq!(list.encoding(), "quicklist");
    // Two blocks at first; then one that is more than half full, which only a reload makes one.
    list.drop_items(End::Left, 1, &three);
    assert_eq!(list.encoding(), "quicklist");
    let mut reloaded = list.clone();
    reloaded.settle(&three);
    assert_eq!(reloaded.encoding(), "listpack");
    list.drop_items(End::Right, 2, &three);
    assert_eq!(list.encoding(), "listpack");
    // What replaces an item is counted as if it came in addition.
    let mut full = list_of([&b"a"[..], b"b", b"c"], &three);
    full.set(0, b"x", &three);
    assert_eq!(full.encoding(), "quicklist");
}

#[test]
fn bytes_are_counted_as_redis_counts_them() {
    let limits = ListLimits::of_directive(-5);
    let (large, small) = (vec![b'x'; 60_000], vec![b'x'; 5536]);
    let mut list = list_of([&large[..]], &limits);
    assert_eq!(list.encoding(), "listpack");
    list.push(End::Right, std::iter::once(&small[..]), &limits);
    assert_eq!(list.encoding(), "quicklist");
    let alone = list_of([&vec![b'x'; 65_530][..]], &limits);
    assert_eq!(alone.encoding(), "quicklist");
    let counted = ListLimits::of_directive(500);
    let mut list = list_of([&vec![b'x'; 8185][..]], &counted);
    assert_eq!(list.encoding(), "listpack");
    list.push(End::Left, std::iter::once(&b"x"[..]), &counted);
    assert_eq!(list.encoding(), "quicklist");
}

#[test]
fn items_of_no_length_do_not_make_a_block_without_end() {
    let limits = ListLimits::default();
    let mut list = List::default();
    list.push(End::Left, std::iter::repeat_n(&b""[..], 100_000), &limits);
    assert_eq!(list.len(), 100_000);
    let Form::Many(chain) = &list.form else { panic!("it is one block") };
    assert!(chain.blocks().iter().all(|block| block.bytes() <= STRETCH * 8192));
}

#[test]
fn small_items_take_little() {
    let limits = ListLimits::default();
    let items: Vec<String> = (0..100_000).map(|item| format!("element:{item:08}")).collect();
    let list = list_of(items.iter().map(|item| item.as_bytes()), &limits);
    assert!(list.memory() < 100_000 * (16 + 3));
}
