//! What is done to the log's files, one job at a time, by any thread. A job knows nothing but what it was
//! given, and says what came of it.

use super::super::files::{Names, Note, or_here, replace, shown};
use super::super::manifest::Manifest;
use super::Current;
use crate::base::memory_size::of_array;
use crate::world::disk::{Disk, File};
use crate::world::host::Level;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub struct Job {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) names: Names,
    pub(super) task: Task,
}

pub struct Done {
    pub(super) outcome: Outcome,
    pub(super) notes: Vec<Note>,
}

pub(super) enum Task {
    Write {
        file: Arc<dyn File>,
        length: u64,
        is_torn: bool,
        bytes: Vec<u8>,
        sync: bool,
    },
    Sync(Arc<dyn File>),
    /// Writes again what a failed sync may have lost.
    Restore {
        file: Arc<dyn File>,
        length: u64,
        tail: Vec<Vec<u8>>,
    },
    /// Makes the file that the log goes on with while a base is made, and makes it known.
    Open {
        old: Option<Arc<dyn File>>,
        manifest: Manifest,
        is_joining: bool,
        start: Option<u64>,
    },
    Finish(Finish),
    /// Removes what is history.
    Sweep(Manifest),
    /// Removes the temporary incremental file.
    Remove,
    Close {
        file: Arc<dyn File>,
        length: u64,
        is_torn: bool,
        bytes: Vec<u8>,
        manifest: Manifest,
        end: Option<u64>,
    },
}

pub(super) struct Finish {
    pub manifest: Manifest,
    pub base: PathBuf,
    pub is_rdb: bool,
    pub kept: usize,
    pub is_joining: bool,
    pub start: Option<u64>,
    pub file: Arc<dyn File>,
    pub keep_history: bool,
}

pub(super) enum Outcome {
    Written {
        bytes: Vec<u8>,
        error: Option<io::Error>,
        is_torn: bool,
        synced: Option<io::Result<()>>,
    },
    Synced(io::Result<()>),
    Restored(io::Result<()>, Vec<Vec<u8>>),
    SyncBeforeOpening(io::Error),
    Opened(Opened),
    Finished(Finished),
    Swept(Manifest),
    Removed,
    Closed(Option<io::Error>),
}

pub(super) struct Opened {
    /// Without a file: one whose numbers were used, perhaps.
    pub manifest: Manifest,
    pub file: io::Result<Arc<dyn File>>,
}

pub(super) struct Finished {
    /// With an error: one whose numbers were used, perhaps.
    pub manifest: Manifest,
    pub error: Option<io::Error>,
}

impl Task {
    /// Bytes of memory that what is to be written takes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Task::Write { bytes, .. } | Task::Close { bytes, .. } => memory_of(bytes),
            Task::Restore { tail, .. } => tail.iter().map(memory_of).sum(),
            Task::Sync(_) | Task::Open { .. } | Task::Finish(_) | Task::Sweep(_) | Task::Remove => {
                0
            }
        }
    }
}

/// Bytes that the allocator has given out for it.
pub(super) fn memory_of(buffer: &Vec<u8>) -> usize {
    of_array::<u8>(buffer.capacity())
}

impl Job {
    /// Whether it waits for the disk; if not, it is one write, which the kernel takes into its memory.
    pub fn is_slow(&self) -> bool {
        !matches!(self.task, Task::Write { sync: false, .. })
    }

    /// What the latency monitor calls it, if clients may have waited for it.
    pub fn latency_event(&self) -> Option<&'static str> {
        match self.task {
            Task::Write { sync: false, .. } => Some("aof-write"),
            Task::Write { sync: true, .. } => Some("aof-fsync-always"),
            _ => None,
        }
    }

    /// One sync, with or without a write before it: what a policy is about.
    pub fn is_sync(&self) -> bool {
        matches!(self.task, Task::Write { sync: true, .. } | Task::Sync(_))
    }

    pub fn run(self) -> Done {
        let (disk, names) = (&*self.disk, &self.names);
        let mut notes = Vec::new();
        let outcome = match self.task {
            Task::Write { file, length, is_torn, bytes, sync } => {
                let (error, is_torn) = append(&*file, length, is_torn, &bytes, &mut notes);
                let synced = (sync && error.is_none()).then(|| file.sync());
                Outcome::Written { bytes, error, is_torn, synced }
            }
            Task::Sync(file) => Outcome::Synced(file.sync()),
            Task::Restore { file, length, tail } => {
                let write = || {
                    file.truncate(length)?;
                    tail.iter().try_for_each(|bytes| file.write_all(bytes))?;
                    file.sync()
                };
                Outcome::Restored(write(), tail)
            }
            Task::Open { old: Some(old), manifest, is_joining, start } => match old.sync() {
                Ok(()) => {
                    Outcome::Opened(next(disk, names, manifest, is_joining, start, &mut notes))
                }
                Err(why) => Outcome::SyncBeforeOpening(why),
            },
            Task::Open { old: None, manifest, is_joining, start } => {
                Outcome::Opened(next(disk, names, manifest, is_joining, start, &mut notes))
            }
            Task::Finish(finish) => Outcome::Finished(finish.run(disk, names, &mut notes)),
            Task::Sweep(manifest) => Outcome::Swept(sweep(disk, names, manifest, &mut notes)),
            Task::Remove => {
                remove_temporary(disk, names, &mut notes);
                Outcome::Removed
            }
            Task::Close { file, length, is_torn, bytes, mut manifest, end } => {
                let mut write = || {
                    let (error, _) = append(&*file, length, is_torn, &bytes, &mut Vec::new());
                    error.map_or(Ok(()), Err)?;
                    file.sync()?;
                    if let (Some(last), Some(end)) = (manifest.incrs.last_mut(), end) {
                        last.end = Some(end);
                        manifest.write(disk, names)?;
                    }
                    Ok(())
                };
                Outcome::Closed(write().err())
            }
        };
        Done { outcome, notes }
    }
}

impl Finish {
    fn run(self, disk: &dyn Disk, names: &Names, notes: &mut Vec<Note>) -> Finished {
        let mut manifest = self.manifest;
        manifest.put_base(names, self.is_rdb);
        if self.is_joining {
            manifest.push_incr(names, self.start);
        }
        manifest.retire(self.kept);
        let base =
            manifest.base.as_ref().map(|part| names.part_path(&part.name)).unwrap_or_default();
        let incr =
            manifest.incrs.last().map(|part| names.part_path(&part.name)).unwrap_or_default();
        let temporary = names.part_path(&names.temporary_incr());
        let rename = || {
            disk.rename(&self.base, &base)?;
            disk.sync_folder(&names.log_folder_path())?;
            if self.is_joining {
                // What a manifest tells of must be there before it is, and nothing without its base.
                self.file.sync()?;
                disk.rename(&temporary, &incr)?;
                disk.sync_folder(&names.log_folder_path())?;
            }
            Ok(())
        };
        if let Err(why) = rename() {
            // No manifest knows them.
            let paths = [&self.base, &base, &incr];
            for path in paths.into_iter().take(2 + self.is_joining as usize) {
                drop(disk.remove(path));
            }
            return Finished { manifest, error: Some(why) };
        }
        // After an error both manifests may be the one on disk, so what either tells of must stay.
        if let Err(why) = manifest.write(disk, names) {
            notes.push((Level::Warning, format!("Can't write the AOF manifest: {why}")));
            return Finished { manifest, error: Some(why) };
        }
        if !self.keep_history {
            manifest = sweep(disk, names, manifest, notes);
        }
        Finished { manifest, error: None }
    }
}

/// Makes a new base the log, when no log is written: all that was there before is history.
pub fn replace_base(
    disk: &dyn Disk,
    names: &Names,
    mut manifest: Manifest,
    base: PathBuf,
    is_rdb: bool,
    keep_history: bool,
    notes: &mut Vec<Note>,
) -> io::Result<Manifest> {
    disk.make_folder(&names.log_folder_path())?;
    manifest.put_base(names, is_rdb);
    manifest.retire(0);
    let path = manifest.base.as_ref().map(|part| names.part_path(&part.name)).unwrap_or_default();
    disk.rename(&base, &path)?;
    disk.sync_folder(&names.log_folder_path())?;
    manifest.write(disk, names)?;
    Ok(if keep_history { manifest } else { sweep(disk, names, manifest, notes) })
}

/// The file that a log which was loaded goes on with; whatever is missing is made.
pub(super) fn open(
    disk: &dyn Disk,
    names: &Names,
    manifest: &mut Manifest,
    (empty, is_rdb): (&[u8], bool),
    start: Option<u64>,
    notes: &mut Vec<Note>,
) -> io::Result<Current> {
    let folder = names.log_folder_path();
    disk.make_folder(&folder)?;
    // The folder itself is new, perhaps.
    disk.sync_folder(or_here(&names.folder))?;
    let mut is_changed = false;
    if manifest.is_empty() {
        manifest.put_base(names, is_rdb);
        let name = manifest.base.as_ref().map(|part| part.name.clone()).unwrap_or_default();
        // Under its name it must be whole, because parts without a manifest are believed.
        replace(disk, &names.temporary_base_path(), &names.part_path(&name), empty)?;
        disk.sync_folder(&folder)?;
        let text = format!("Creating AOF base file {} on server start", shown(&name));
        notes.push((Level::Notice, text));
        is_changed = true;
    }
    let file = match manifest.incrs.last_mut() {
        Some(last) => {
            is_changed |= last.end.take().is_some();
            let text = format!("Opening AOF incr file {} on server start", shown(&last.name));
            notes.push((Level::Notice, text));
            disk.append(&names.part_path(&last.name))?
        }
        None => {
            manifest.push_incr(names, start);
            is_changed = true;
            let name = manifest.incrs.last().map(|part| part.name.clone()).unwrap_or_default();
            let text = format!("Creating AOF incr file {} on server start", shown(&name));
            notes.push((Level::Notice, text));
            disk.create(&names.part_path(&name))?
        }
    };
    // Whoever read the files may have seen what was not durable; and clients are about to.
    file.sync()?;
    disk.sync_folder(&folder)?;
    if is_changed {
        manifest.write(disk, names)?;
    }
    let length = file.length()?;
    Ok(Current { file, length, is_torn: false, synced: length })
}

/// Adds all of the bytes or none; says what came in between, and whether some of them could not be removed.
fn append(
    file: &dyn File,
    length: u64,
    is_torn: bool,
    bytes: &[u8],
    notes: &mut Vec<Note>,
) -> (Option<io::Error>, bool) {
    if is_torn && let Err(why) = file.truncate(length) {
        return (Some(why), true);
    }
    let Err(why) = file.write_all(bytes) else { return (None, false) };
    match file.truncate(length) {
        Ok(()) => (Some(why), false),
        Err(second) => {
            let text = format!("Could not remove short write from the append-only file: {second}");
            notes.push((Level::Warning, text));
            (Some(why), true)
        }
    }
}

fn next(
    disk: &dyn Disk,
    names: &Names,
    mut manifest: Manifest,
    is_joining: bool,
    start: Option<u64>,
    notes: &mut Vec<Note>,
) -> Opened {
    let name = if is_joining {
        names.temporary_incr()
    } else {
        manifest.push_incr(names, start);
        manifest.incrs.last().map(|part| part.name.clone()).unwrap_or_default()
    };
    let folder = names.log_folder_path();
    let make = || {
        if is_joining {
            disk.make_folder(&folder)?;
            disk.sync_folder(or_here(&names.folder))?;
        }
        let file = disk.create(&names.part_path(&name))?;
        // The file must be there before a manifest tells of it.
        disk.sync_folder(&folder)?;
        if !is_joining {
            manifest.write(disk, names)?;
        }
        Ok(file)
    };
    let file = make();
    if file.is_ok() {
        let text = format!("Creating AOF incr file {} on background rewrite", shown(&name));
        notes.push((Level::Notice, text));
    }
    Opened { manifest, file }
}

/// Removes what is history; what could not be removed stays in the manifest.
fn sweep(
    disk: &dyn Disk,
    names: &Names,
    mut manifest: Manifest,
    notes: &mut Vec<Note>,
) -> Manifest {
    if manifest.history.is_empty() {
        return manifest;
    }
    let old = manifest.clone();
    manifest.history.retain(|part| {
        let name = shown(&part.name);
        notes.push((Level::Notice, format!("Removing the history file {name} in the background")));
        match disk.remove(&names.part_path(&part.name)) {
            Ok(()) => false,
            Err(why) if why.kind() == io::ErrorKind::NotFound => false,
            Err(why) => {
                notes
                    .push((Level::Warning, format!("Can't remove the history file {name}: {why}")));
                true
            }
        }
    });
    if let Err(why) = manifest.write(disk, names) {
        notes.push((Level::Warning, format!("Can't write the AOF manifest: {why}")));
        return old;
    }
    manifest
}

fn remove_temporary(disk: &dyn Disk, names: &Names, notes: &mut Vec<Note>) {
    let done = disk.remove(&names.part_path(&names.temporary_incr()));
    if let Err(why) = done
        && why.kind() != io::ErrorKind::NotFound
    {
        notes.push((Level::Warning, format!("Can't remove the temp incr aof file: {why}")));
    }
}
