//! A disk that forgets: what was written is seen at once, and is there after a crash only as far as it was
//! synced, or luck would have it.
//!
//! Bytes and names are pending until a sync. In a crash each name that is pending is there or not; a file keeps some
//! beginning of what is pending, cut at any byte, or zeros where its end should be, or any of its pages. A failed sync
//! loses some of what is pending for good, though a later sync says that all is well. Calls fail when they are told
//! to, and the power goes at any call.

use crate::support::dice::Dice;
use russet::world::Millis;
use russet::world::disk::{Disk, File, Lock, Stat};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// How often calls fail, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub write: usize,
    pub sync: usize,
    /// Whatever has to do with names.
    pub name: usize,
}

struct State {
    dice: Dice,
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    /// Changes of names that no sync of their folder has made durable.
    pending: Vec<(PathBuf, Rename)>,
    folders: Vec<PathBuf>,
    faults: Faults,
    /// Calls until the power goes.
    left: Option<u64>,
    /// The power went so often; files that were opened before are of no use.
    life: u64,
    is_down: bool,
}

/// Of one folder, and at once.
#[derive(Clone)]
struct Rename {
    set: Option<(PathBuf, usize)>,
    unset: Option<PathBuf>,
}

#[derive(Default, Clone)]
struct Node {
    /// A failed sync dropped something, and nothing was cut off since …
    has_lost: bool,
    /// … but something stands behind it.
    has_hole: bool,
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

struct SimFile {
    disk: SimDisk,
    node: usize,
    life: u64,
}

struct Held;

impl Lock for Held {}

const PAGE: usize = 64;

impl SimDisk {
    pub fn new(dice: Dice) -> SimDisk {
        SimDisk {
            state: Arc::new(Mutex::new(State {
                dice,
                nodes: Vec::new(),
                names: BTreeMap::new(),
                durable: BTreeMap::new(),
                pending: Vec::new(),
                folders: vec![PathBuf::new()],
                faults: Faults::default(),
                left: None,
                life: 0,
                is_down: false,
            })),
        }
    }

    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// The power goes after so many calls.
    pub fn crash_after(&self, calls: u64) {
        self.state().left = Some(calls);
    }

    pub fn is_down(&self) -> bool {
        self.state().is_down
    }

    /// The power comes back; if it had not gone it goes now. What is there is what was durable, and what luck left.
    pub fn reboot(&self) {
        self.state().reboot();
    }

    /// Whether something that a failed sync dropped has something behind it, in a file of the log.
    pub fn has_holes(&self) -> bool {
        let state = self.state();
        let mut logs = state.names.iter().filter(|it| is_log(it.0));
        logs.any(|(_, node)| state.nodes[*node].has_hole)
    }

    /// For a person: what is there.
    pub fn listing(&self) -> String {
        let state = self.state();
        let of = |(path, node): (&PathBuf, &usize)| {
            format!("{} ({} bytes)", path.display(), state.nodes[*node].seen.len())
        };
        state.names.iter().map(of).collect::<Vec<_>>().join(", ")
    }

    /// Each call comes through here: it may be the last one.
    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if let Some(left) = &mut state.left {
            if *left == 0 {
                state.is_down = true;
            } else {
                *left -= 1;
            }
        }
        if state.is_down { Err(io::Error::other("the power is gone")) } else { Ok(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn opened(&self, node: usize, life: u64) -> Arc<dyn File> {
        Arc::new(SimFile { disk: self.clone(), node, life })
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.call()?;
        state.may_fail_name()?;
        let node = state.find(path)?;
        Ok(self.opened(node, state.life))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.call()?;
        state.may_fail_name()?;
        state.folder_of(path)?;
        let node = state.make(path);
        Ok(self.opened(node, state.life))
    }

    fn append(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.call()?;
        state.may_fail_name()?;
        let node = state.find_or_make(path)?;
        Ok(self.opened(node, state.life))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        state.may_fail_name()?;
        let node = state.find(from)?;
        state.folder_of(to)?;
        let (left, right) = (parent(from), parent(to));
        let (set, unset) = (Some((to.to_path_buf(), node)), Some(from.to_path_buf()));
        if left == right {
            state.change(left, Rename { set, unset });
        } else {
            state.change(right, Rename { set, unset: None });
            state.change(left, Rename { set: None, unset });
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        state.may_fail_name()?;
        state.find(path)?;
        state.change(parent(path), Rename { set: None, unset: Some(path.to_path_buf()) });
        Ok(())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let state = self.call()?;
        if state.folders.iter().any(|folder| folder == path) {
            return Ok(Stat { is_folder: true, length: 0, changed: Millis(0) });
        }
        let node = state.find(path)?;
        let length = state.nodes[node].seen.len() as u64;
        Ok(Stat { is_folder: false, length, changed: Millis(0) })
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let state = self.call()?;
        let folder = folder.strip_prefix(".").unwrap_or(folder);
        if !state.folders.iter().any(|it| it == folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.keys().filter(|path| parent(path) == folder);
        Ok(inside.filter_map(|path| path.file_name().map(OsString::from)).collect())
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        state.may_fail_name()?;
        // A folder that is lost takes its files with it, which is the same as if these were lost.
        if !state.folders.iter().any(|folder| folder == path) {
            state.folders.push(path.to_path_buf());
        }
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        let path = path.strip_prefix(".").unwrap_or(path).to_path_buf();
        let chance = state.faults.sync;
        if state.fails(chance) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let pending = std::mem::take(&mut state.pending);
        for (folder, rename) in pending {
            if folder == path {
                rename.apply(&mut state.durable);
            } else {
                state.pending.push((folder, rename));
            }
        }
        Ok(())
    }

    fn lock(&self, _: &Path, _: u32) -> io::Result<Option<Box<dyn Lock>>> {
        drop(self.call()?);
        Ok(Some(Box::new(Held)))
    }
}

impl File for SimFile {
    fn read_at(&self, into: &mut [u8], from: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        let seen = &state.nodes[self.node].seen;
        let rest = seen.len().saturating_sub(from as usize).min(into.len());
        // Fewer bytes than were asked for are no end.
        let count = if rest > 1 { 1 + state.dice.below(rest) } else { rest };
        let from = from as usize;
        into[..count].copy_from_slice(&state.nodes[self.node].seen[from..from + count]);
        Ok(count)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state()?;
        let mut count = bytes.len();
        let chance = state.faults.write;
        if state.fails(chance) {
            count = state.dice.below(bytes.len() + 1);
            if count == 0 {
                return Err(io::Error::from_raw_os_error(28));
            }
        }
        let node = &mut state.nodes[self.node];
        let at = node.seen.len();
        node.change(Change::Write(at, bytes[..count].to_vec()));
        Ok(count)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let chance = state.faults.write / 2;
        if state.fails(chance) {
            return Err(io::Error::from_raw_os_error(5));
        }
        state.nodes[self.node].change(Change::Truncate(length as usize));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        let chance = state.faults.sync;
        if state.fails(chance) {
            state.lose(self.node);
            return Err(io::Error::from_raw_os_error(5));
        }
        state.nodes[self.node].settle();
        Ok(())
    }

    fn write_back(&self, _: Range<u64>, _: bool) -> io::Result<()> {
        let mut state = self.state()?;
        // It is no promise, but it may do what was asked.
        if state.dice.percent(50) {
            state.nodes[self.node].settle();
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let state = self.state()?;
        Ok(state.nodes[self.node].seen.len() as u64)
    }
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.call()?;
        match state.life == self.life {
            true => Ok(state),
            false => Err(io::Error::other("the file was opened in another life")),
        }
    }
}

impl State {
    fn fails(&mut self, percent: usize) -> bool {
        percent > 0 && self.dice.percent(percent)
    }

    fn may_fail_name(&mut self) -> io::Result<()> {
        if !self.fails(self.faults.name) {
            return Ok(());
        }
        // No permission, no room, a broken disk.
        let why = *self.dice.pick(&[13, 28, 5]);
        Err(io::Error::from_raw_os_error(why))
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::Error::from_raw_os_error(2))
    }

    fn folder_of(&self, path: &Path) -> io::Result<()> {
        let folder = parent(path);
        match self.folders.contains(&folder) {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(2)),
        }
    }

    fn find_or_make(&mut self, path: &Path) -> io::Result<usize> {
        if let Some(node) = self.names.get(path) {
            return Ok(*node);
        }
        self.folder_of(path)?;
        Ok(self.make(path))
    }

    fn make(&mut self, path: &Path) -> usize {
        self.nodes.push(Node::default());
        let node = self.nodes.len() - 1;
        self.change(parent(path), Rename { set: Some((path.to_path_buf(), node)), unset: None });
        node
    }

    fn change(&mut self, folder: PathBuf, rename: Rename) {
        rename.apply(&mut self.names);
        self.pending.push((folder, rename));
    }

    /// A sync has failed: some of what was pending will never be on disk, though it is seen.
    fn lose(&mut self, node: usize) {
        let dice = &mut self.dice;
        let node = &mut self.nodes[node];
        for change in std::mem::take(&mut node.pending) {
            let is_write = matches!(change, Change::Write(..));
            if is_write && !dice.percent(50) {
                node.has_lost = true;
                continue;
            }
            node.has_hole |= node.has_lost && is_write;
            node.pending.push(change);
        }
    }

    fn reboot(&mut self) {
        for (_, rename) in std::mem::take(&mut self.pending) {
            if self.dice.percent(50) {
                rename.apply(&mut self.durable);
            }
        }
        self.names = self.durable.clone();
        let logs: Vec<usize> =
            self.names.iter().filter(|it| is_log(it.0)).map(|it| *it.1).collect();
        for (at, node) in self.nodes.iter_mut().enumerate() {
            node.crash(&mut self.dice, logs.contains(&at));
        }
        self.life += 1;
        self.is_down = false;
        self.left = None;
        self.faults = Faults::default();
    }
}

impl Rename {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(path) = &self.unset {
            names.remove(path);
        }
        if let Some((path, node)) = &self.set {
            names.insert(path.clone(), *node);
        }
    }
}

impl Node {
    fn change(&mut self, change: Change) {
        match change {
            // What is written again begins before what was lost.
            Change::Truncate(_) => (self.has_lost, self.has_hole) = (false, false),
            Change::Write(..) => self.has_hole |= self.has_lost,
        }
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    fn settle(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    fn crash(&mut self, dice: &mut Dice, is_log: bool) {
        let pending = std::mem::take(&mut self.pending);
        let old = self.durable.clone();
        let whole = dice.below(pending.len() + 1);
        for change in &pending[..whole] {
            change.apply(&mut self.durable);
        }
        if let Some(Change::Write(at, bytes)) = pending.get(whole) {
            let some = dice.below(bytes.len() + 1);
            Change::Write(*at, bytes[..some].to_vec()).apply(&mut self.durable);
            if dice.percent(20) {
                // The file's length got to the disk, and what should be there did not.
                self.durable.resize(at + some + dice.below(3 * PAGE), 0);
            }
        }
        // Pages in any order would leave holes inside of a log's commands, which no log without checksums can
        // know; file systems that write data before lengths do not leave them.
        if !is_log && dice.percent(30) {
            for (number, page) in self.durable.chunks_mut(PAGE).enumerate() {
                if dice.percent(50) {
                    let before = old.get(number * PAGE..).unwrap_or_default();
                    page.fill(0);
                    let count = page.len().min(before.len());
                    page[..count].copy_from_slice(&before[..count]);
                }
            }
        }
        self.seen = self.durable.clone();
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Truncate(length) => bytes.resize(*length, 0),
            Change::Write(at, new) => {
                if bytes.len() < at + new.len() {
                    bytes.resize(at + new.len(), 0);
                }
                bytes[*at..at + new.len()].copy_from_slice(new);
            }
        }
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_path_buf()
}

fn is_log(path: &Path) -> bool {
    path.to_string_lossy().contains("incr")
}
