//! A stream that is being read from a file: entries node by node as they lay there, deleted ones among them, and then
//! what the stream knows beside its entries.

use super::Stream;
use super::id::Id;
use super::node::Node;
use super::producers::Producers;

/// The entries so far.
#[derive(Default)]
pub struct Loading {
    stream: Stream,
    node: Option<Node>,
    /// Those of the node that are deleted.
    deleted: Vec<Id>,
    /// The id of the last entry, deleted or not.
    top: Id,
}

impl Loading {
    /// The next entry begins a node.
    pub fn begin_node(&mut self) {
        let Some(mut node) = self.node.take() else { return };
        for id in self.deleted.drain(..) {
            node.delete(id);
        }
        if node.live() > 0 {
            node.close();
            self.stream.len += node.live();
            self.stream.nodes.push(node);
        }
    }

    /// The next entry, of names and values in turn; says no if its id is not above that of the one before.
    #[must_use = "it may be refused"]
    pub fn add<'a>(
        &mut self,
        id: Id,
        fields: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
        is_deleted: bool,
    ) -> bool {
        if id <= self.top {
            return false;
        }
        self.top = id;
        match &mut self.node {
            Some(node) => node.push(id, fields),
            none => *none = Some(Node::of(id, fields)),
        }
        if is_deleted {
            self.deleted.push(id);
        }
        true
    }

    /// All entries are there. `added` is how many there ever were, where that is known; none, if the last id is below
    /// that of an entry.
    pub fn end(mut self, last_id: Id, max_deleted: Id, added: Option<u64>) -> Option<Stream> {
        self.begin_node();
        let mut stream = self.stream;
        if stream.top_id().is_some_and(|top| top > last_id) {
            return None;
        }
        stream.set_last_id(last_id, Some(added.unwrap_or(stream.len as u64)), Some(max_deleted));
        Some(stream)
    }
}

impl Stream {
    /// How much of the entries ever added a group has read that has read up to an id, where that can be told.
    pub fn estimate_read(&self, id: Id) -> Option<u64> {
        self.past().read_until(id)
    }
}

impl Producers {
    /// A producer has added an entry under this name, later than all that are known of him. Says no if the name is known.
    #[must_use = "it may be refused"]
    pub fn know(&mut self, producer: &[u8], name: &[u8], id: Id) -> bool {
        self.of(producer).know(name, id)
    }
}
