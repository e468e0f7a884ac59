use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Items = Vec<Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    /// Milliseconds and numbers further, and how many times.
    Add(u64, u64, Items, usize),
    AddAt(Id),
    Delete(usize),
    DeleteMany(usize, usize),
    DeleteNothing(Id),
    Trim(Trim),
    Ranges(Id, Id),
    Clone,
}

fn item() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(b"field".to_vec()),
        2 => (-200i64..200).prop_map(|int| int.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        2 => proptest::collection::vec(any::<u8>(), 0..12),
        1 => (0usize..300).prop_map(|len| vec![b'x'; len]),
    ]
}

fn items() -> impl Strategy<Value = Items> {
    let some = proptest::collection::vec((item(), item()), 1..4);
    prop_oneof![
        4 => item().prop_map(|value| vec![b"name".to_vec(), value]),
        1 => some.prop_map(|pairs| pairs.into_iter().flat_map(|(name, value)| [name, value]).collect()),
    ]
}

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        6 => (0u64..400, 0u64..4).prop_map(|(ms, seq)| Id::new(ms, seq)),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(ms, seq)| Id::new(ms, seq)),
    ]
}

fn trim() -> impl Strategy<Value = Trim> {
    let cut = prop_oneof![(0u64..60).prop_map(Cut::Length), id().prop_map(Cut::Below)];
    (cut, any::<bool>(), proptest::option::of(0u64..40)).prop_map(|(cut, roughly, limit)| Trim {
        cut,
        roughly,
        refs: Refs::Keep,
        limit: limit.filter(|_| roughly),
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        9 => (0u64..200, 0u64..300, items(), 1usize..30)
            .prop_map(|(ms, seq, items, times)| Step::Add(ms / 60, seq / 100, items, times)),
        1 => id().prop_map(Step::AddAt),
        3 => any::<usize>().prop_map(Step::Delete),
        2 => (any::<usize>(), 0usize..60).prop_map(|(at, count)| Step::DeleteMany(at, count)),
        1 => id().prop_map(Step::DeleteNothing),
        2 => trim().prop_map(Step::Trim),
        1 => (id(), id()).prop_map(|(start, end)| Step::Ranges(start, end)),
        1 => Just(Step::Clone),
    ]
}

fn limits() -> impl Strategy<Value = StreamLimits> {
    (prop_oneof![Just(0usize), Just(4096), 30usize..600], prop_oneof![Just(0usize), 1usize..40])
        .prop_map(|(bytes, entries)| StreamLimits { bytes, entries })
}

fn read(entry: Entry) -> (Id, Items) {
    assert_eq!(entry.fields.len(), entry.fields.count());
    (entry.id, entry.fields.map(|item| item.to_vec()).collect())
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<Id, Items>,
    last_id: Id,
    max_deleted: Id,
    added: u64,
}

impl Model {
    fn nth(&self, at: usize) -> Option<Id> {
        self.entries.keys().nth(at % self.entries.len().max(1)).copied()
    }

    fn check(&self, stream: &Stream, start: Id, end: Id) {
        let range = |start: Id, end: Id| {
            let some = if start <= end { Some(self.entries.range(start..=end)) } else { None };
            some.into_iter().flatten().map(|(id, items)| (*id, items.clone()))
        };
        assert!(stream.range(start, end).map(read).eq(range(start, end)));
        assert!(
            stream
                .range_back(start, end)
                .map(read)
                .eq(range(start, end).collect::<Vec<_>>().into_iter().rev())
        );
        assert_eq!(stream.len(), self.entries.len());
        assert_eq!(stream.first_id(), self.entries.keys().next().copied());
        assert_eq!(stream.top_id(), self.entries.keys().last().copied());
        assert_eq!(stream.last_id(), self.last_id);
        assert_eq!((stream.max_deleted(), stream.added()), (self.max_deleted, self.added));
        for id in [start, end] {
            assert_eq!(
                stream.get(id).map(read).map(|(_, items)| items),
                self.entries.get(&id).cloned()
            );
            assert_eq!(stream.contains(id), self.entries.contains_key(&id));
        }
        assert!(stream.nodes.iter().all(|node| node.live() > 0));
    }

    fn trim(&mut self, trim: Trim, gone: u64) {
        let most = match trim.cut {
            Cut::Length(most) => (self.entries.len() as u64).saturating_sub(most),
            Cut::Below(id) => self.entries.range(..id).count() as u64,
        };
        match (trim.roughly, trim.limit) {
            (false, _) => assert_eq!(gone, most),
            (true, limit) => assert!(gone <= most.min(limit.unwrap_or(u64::MAX))),
        }
        for _ in 0..gone {
            self.entries.pop_first();
        }
    }
}

proptest! {
    #[test]
    fn a_stream_is_an_ordered_map(
        limits in limits(), steps in proptest::collection::vec(step(), 1..60),
    ) {
        let (mut stream, mut model) = (Stream::default(), Model::default());
        for step in steps {
            match step {
                Step::Add(ms, seq, items, times) => {
                    for _ in 0..times {
                        let last = stream.last_id();
                        let (Some(ms), Some(seq)) =
                            (last.ms.checked_add(ms), last.seq.checked_add(seq + 1)) else { continue };
                        let id = Id::new(ms, if ms == last.ms { seq } else { seq % 3 });
                        stream.add(id, items.iter().map(|item| &item[..]), &limits).unwrap();
                        model.entries.insert(id, items.clone());
                        model.last_id = id;
                        model.added += 1;
                    }
                }
                Step::AddAt(id) => {
                    let fields = [&b"name"[..], b"1"];
                    let fits = id > model.last_id;
                    prop_assert_eq!(stream.add(id, fields.into_iter(), &limits).is_ok(), fits);
                    if fits {
                        model.entries.insert(id, fields.map(<[u8]>::to_vec).into());
                        model.last_id = id;
                        model.added += 1;
                    }
                }
                Step::Delete(at) => {
                    if let Some(id) = model.nth(at) {
                        prop_assert!(stream.delete(id));
                        model.entries.remove(&id);
                        model.max_deleted = model.max_deleted.max(id);
                    }
                }
                Step::DeleteMany(at, count) => {
                    let start = model.nth(at).unwrap_or(Id::MIN);
                    let ids: Vec<Id> =
                        model.entries.range(start..).take(count).map(|(id, _)| *id).collect();
                    for id in ids {
                        prop_assert!(stream.delete(id));
                        model.entries.remove(&id);
                        model.max_deleted = model.max_deleted.max(id);
                    }
                }
                Step::DeleteNothing(id) => {
                    prop_assert_eq!(stream.delete(id), model.entries.remove(&id).is_some()
                        && { model.max_deleted = model.max_deleted.max(id); true });
                }
                Step::Trim(trim) => {
                    let (gone, rest) = stream.trim(trim);
                    if let Some(rest) = rest {
                        prop_assert!(rest.pieces() > 1);
                    }
                    model.trim(trim, gone);
                }
                Step::Ranges(start, end) => model.check(&stream, start, end),
                Step::Clone => stream = stream.clone(),
            }
            let (first, last) = (model.nth(0), model.nth(model.entries.len().saturating_sub(1)));
            model.check(&stream, first.unwrap_or(Id::MIN), last.unwrap_or(Id::MAX));
        }
        model.check(&stream, Id::MIN, Id::MAX);
    }
}

#[test]
fn ids_go_on_from_the_last_one() {
    let mut stream = Stream::default();
    assert_eq!(stream.next_id(7), Some(Id::new(7, 0)));
    assert_eq!(stream.next_id(0), Some(Id::new(0, 1)));
    stream.set_last_id(Id::new(7, u64::MAX), None, None);
    assert_eq!(stream.next_id(7), Some(Id::new(8, 0)));
    assert_eq!((stream.next_id_at(6), stream.next_id_at(7)), (None, None));
    assert_eq!(stream.next_id_at(9), Some(Id::new(9, 0)));
    stream.set_last_id(Id::MAX, None, None);
    assert_eq!(stream.next_id(9), None);
}

/// What of a node is taken away with `~` is decided by how many entries it has.
#[test]
fn rough_trimming_takes_whole_nodes() {
    let limits = StreamLimits { bytes: 4096, entries: 100 };
    let mut stream = Stream::default();
    for ms in 1..=1000 {
        stream.add(Id::new(ms, 0), [&b"item"[..], b"1"].into_iter(), &limits).unwrap();
    }
    let roughly =
        |most| Trim { cut: Cut::Length(most), roughly: true, limit: None, refs: Refs::Keep };
    assert_eq!(stream.trim(roughly(555)).0, 400);
    assert_eq!((stream.len(), stream.nodes()), (600, 6));
    assert_eq!(stream.trim(Trim { limit: Some(99), ..roughly(0) }).0, 0);
    assert_eq!(stream.trim(roughly(0)).0, 600);
}

#[derive(Clone, Debug)]
enum GroupStep {
    Admit(u8),
    Dismiss(u8),
    Put(u64, Option<u8>, i64, u64),
    Remove(u64),
    Idle(i64),
    Clone,
}

fn group_step() -> impl Strategy<Value = GroupStep> {
    let count = prop_oneof![4 => 0u64..9, 1 => (0u64..9).prop_map(|less| i64::MAX as u64 - less)];
    prop_oneof![
        2 => (0u8..6).prop_map(GroupStep::Admit),
        1 => (0u8..6).prop_map(GroupStep::Dismiss),
        20 => (0u64..300, proptest::option::of(0u8..6), 0i64..50, count)
            .prop_map(|(id, owner, time, count)| GroupStep::Put(id, owner, time, count)),
        8 => (0u64..300).prop_map(GroupStep::Remove),
        2 => (0i64..60).prop_map(GroupStep::Idle),
        1 => Just(GroupStep::Clone),
    ]
}

/// A consumer with much, beside one with little and entries that are nobody's.
#[test]
fn who_goes_takes_his_entries_along_however_many_they_are() {
    for (others, nobodys) in [(0, 0), (3, 0), (3, 1), (200, 0)] {
        let mut group = Group::new(Id::MIN, None);
        let [his, other] = [b"h", b"o"].map(|name| group.admit(name, 0).unwrap().0);
        for number in 0..1000 {
            let owner = match number * 7 % 1000 {
                it if it < others => Some(other),
                it if it < others + nobodys => None,
                _ => Some(his),
            };
            group.put(Pending::new(Id::new(number, 1), owner, number as i64, 1));
        }
        assert_eq!(group.idle_since(i64::MAX).count(), 1000);
        let (count, left) = group.dismiss(b"h").unwrap();
        assert_eq!(count as u64, 1000 - others - nobodys);
        assert!(left.pending() >= count);
        let numbers = (0..1000).filter(|number| number * 7 % 1000 < others + nobodys);
        let ids: Vec<Id> = numbers.map(|number| Id::new(number, 1)).collect();
        assert!(group.pending_from(Id::MIN).map(Pending::id).eq(ids.iter().copied()));
        assert_eq!(group.pending_of(other, Id::MIN).count() as u64, others);
        assert!(group.idle_since(i64::MAX).eq(ids.iter().copied()));
        assert_eq!(group.dismiss(b"h").map(|gone| gone.0), None);
    }
}

proptest! {
    /// What is pending is one map; consumers and times are other ways to look at it.
    #[test]
    fn a_group_is_a_map_of_what_is_pending(
        steps in proptest::collection::vec(group_step(), 1..300),
    ) {
        let mut group = Group::new(Id::MIN, None);
        let mut pending = BTreeMap::<Id, (Option<u8>, i64, u64)>::new();
        let mut names = std::collections::BTreeSet::new();
        for step in steps {
            match step {
                GroupStep::Admit(name) => {
                    let is_new = group.admit(&[name], 5).unwrap().1;
                    prop_assert_eq!(is_new, names.insert(name));
                }
                GroupStep::Dismiss(name) => {
                    let before = pending.len();
                    pending.retain(|_, (owner, ..)| *owner != Some(name));
                    let gone = names.remove(&name).then(|| before - pending.len());
                    prop_assert_eq!(group.dismiss(&[name]).map(|gone| gone.0), gone);
                }
                GroupStep::Put(id, owner, time, count) => {
                    let owner = owner.filter(|name| names.contains(name));
                    let found = owner.and_then(|name| group.find(&[name]));
                    group.put(Pending::new(Id::new(id, 0), found, time, count));
                    pending.insert(Id::new(id, 0), (owner, time, count));
                }
                GroupStep::Remove(id) => {
                    let id = Id::new(id, 0);
                    prop_assert_eq!(group.remove(id), pending.remove(&id).is_some());
                }
                GroupStep::Idle(since) => {
                    let mut wanted: Vec<(i64, Id)> = pending.iter().map(|(id, it)| (it.1, *id)).collect();
                    wanted.retain(|(time, _)| *time <= since);
                    wanted.sort();
                    let found: Vec<Id> = group.idle_since(since).collect();
                    prop_assert_eq!(found, wanted.iter().map(|it| it.1).collect::<Vec<_>>());
                }
                GroupStep::Clone => group = group.clone(),
            }
            let all = group.pending_from(Id::MIN).map(|it| {
                let name = it.owner().map(|owner| group.consumer(owner).name[0]);
                (it.id(), (name, it.time_ms(), it.count()))
            });
            prop_assert!(all.eq(pending.iter().map(|(id, it)| (*id, *it))));
            prop_assert!(group.consumers().map(|(_, it)| it.name[0]).eq(names.iter().copied()));
            for (owner, consumer) in group.consumers() {
                let own = pending.iter().filter(|(_, it)| it.0 == Some(consumer.name[0]));
                let own: Vec<Id> = own.map(|(id, _)| *id).collect();
                prop_assert_eq!(consumer.pending(), own.len());
                prop_assert!(group.pending_of(owner, Id::MIN).map(Pending::id).eq(own));
            }
            prop_assert_eq!(group.first_pending(), pending.keys().next().copied());
            prop_assert_eq!(group.last_pending(), pending.keys().last().copied());
        }
    }
}

#[test]
fn producers_are_known_for_some_time_and_some_entries() {
    let memory = Memory { seconds: 10, entries: 2 };
    let mut producers = Producers::default();
    for (number, name) in [b"a", b"b", b"c"].into_iter().enumerate() {
        producers.record(b"p", name, Id::new(1000 + number as u64, 0), 1000, memory);
    }
    let find = |name: &[u8], now_ms| producers.find(b"p", name, now_ms, memory);
    assert_eq!((find(b"a", 1000), find(b"b", 1000)), (None, Some(Id::new(1001, 0))));
    assert_eq!((find(b"b", 11_000), find(b"b", 11_001)), (Some(Id::new(1001, 0)), None));
    assert_eq!(producers.find(b"q", b"b", 1000, memory), None);
    assert_eq!(producers.tracked(11_001, memory), (1, 1));
    producers.set_memory(Some(10), None, memory);
    assert_eq!(producers.tracked(1000, memory), (1, 2));
    producers.set_memory(Some(11), None, memory);
    assert_eq!((producers.tracked(1000, memory), producers.added), ((0, 0), 3));
    // Who is known for nothing any more is not remembered.
    for number in 0..1000u64 {
        let name = number.to_le_bytes();
        producers.record(&name, b"x", Id::new(number * 1000, 0), number * 1000, memory);
    }
    assert!(producers.tracked(999_000, memory).0 <= 11 && producers.memory() < 100_000);
}
