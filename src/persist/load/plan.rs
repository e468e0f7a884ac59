//! Which of the files that are there is the newest whole truth, and is to be loaded. The rules are in
//! `docs/persistence.md`, as a table.

use super::super::files::{Names, Note, or_here, said, shown};
use super::super::manifest::Manifest;
use crate::world::Disk;
use crate::world::host::Level;
use crate::world::time::Millis;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[derive(Debug)]
pub struct Plan {
    pub source: Source,
    /// A log is there that is not loaded: before another takes its place it must be set aside
    /// (`set_log_aside`).
    pub passes_over_log: bool,
    pub notes: Vec<Note>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Nothing,
    /// A log in parts; one that was a single file has become the base of such.
    Log(Manifest),
    /// `dump.rdb`. If a log is to be written it begins with a copy (`adopt_snapshot`).
    Snapshot,
}

/// Why the server must not start: lines of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub lines: Vec<String>,
}

/// Looks at everything. A log in a single file is moved to where logs are.
pub fn plan(disk: &dyn Disk, names: &Names, appendonly: bool) -> Result<Plan, Refused> {
    let mut notes = Vec::new();
    let has_snapshot = exists(disk, &names.snapshot_path())?;
    if !appendonly && has_snapshot {
        let passes_over_log = has_log(disk, names)?;
        if passes_over_log {
            let text = format!(
                "appendonly is no, so {} is loaded and the append only file in {} is not. It is set aside before \
                 another takes its place.",
                shown(&names.snapshot),
                shown(&names.log_folder)
            );
            notes.push((Level::Warning, text));
        }
        return Ok(Plan { source: Source::Snapshot, passes_over_log, notes });
    }
    let manifest = match Manifest::read(disk, names) {
        Ok(None) => Manifest::default(),
        Ok(Some(Ok(manifest))) => manifest,
        Ok(Some(Err(invalid))) => return Err(Refused { lines: invalid.lines() }),
        Err(why) => {
            let name = names.manifest_path().display().to_string();
            let text =
                format!("Fatal error: can't open the AOF manifest file {name} for reading: {why}");
            return Err(Refused { lines: vec![text] });
        }
    };
    let manifest = take_old_log(disk, names, manifest, &mut notes)?;
    let manifest = match manifest.is_empty() {
        true => find_parts(disk, names, has_snapshot, &mut notes)?,
        false => manifest,
    };
    let source = if !manifest.is_empty() {
        check_parts(disk, names, &manifest)?;
        Source::Log(manifest)
    } else if has_snapshot {
        Source::Snapshot
    } else {
        Source::Nothing
    };
    match &source {
        Source::Log(_) if !appendonly => {
            let text = format!(
                "appendonly is no, but there is no {}, so the append only file is loaded rather than nothing. It is \
                 not written on.",
                shown(&names.snapshot)
            );
            notes.push((Level::Warning, text));
        }
        Source::Snapshot => {
            let text = format!(
                "appendonly is yes, but there is no append only file yet: {} is loaded, and becomes the base of one.",
                shown(&names.snapshot)
            );
            notes.push((Level::Notice, text));
        }
        _ => (),
    }
    Ok(Plan { source, passes_over_log: false, notes })
}

/// The log begins with the snapshot that was loaded: nothing need be written, and nothing is missing from it at
/// any time. `dump.rdb` stays too.
pub fn adopt_snapshot(disk: &dyn Disk, names: &Names) -> io::Result<Manifest> {
    let mut manifest = Manifest::default();
    manifest.put_base(names, true);
    manifest.push_incr(names, None);
    let part = |part: Option<&super::super::manifest::Part>| {
        part.map(|part| names.part_path(&part.name)).unwrap_or_default()
    };
    let (base, incr) = (part(manifest.base.as_ref()), part(manifest.incrs.last()));
    disk.make_folder(&names.log_folder_path())?;
    disk.sync_folder(or_here(&names.folder))?;
    // Under its name it must be whole, because parts without a manifest are believed.
    let temporary = names.temporary_base_path();
    copy(disk, &names.snapshot_path(), 0, &temporary)?;
    disk.rename(&temporary, &base)?;
    // A file of commands without a base would be believed to be all.
    disk.sync_folder(&names.log_folder_path())?;
    disk.create(&incr)?.sync()?;
    disk.sync_folder(&names.log_folder_path())?;
    manifest.write(disk, names)?;
    Ok(manifest)
}

/// Gives another name to a log that was not loaded, part by part, so that another may take its place.
pub fn set_log_aside(disk: &dyn Disk, names: &Names, now: Millis) -> io::Result<Note> {
    let ending = format!(".kept-{}", now.0.div_euclid(1000));
    let aside = names.in_folder(&[&names.log_folder, ending.as_bytes()].concat());
    disk.make_folder(&aside)?;
    let folder = names.log_folder_path();
    // The manifest goes last, since it is what makes the others a log.
    let mut ours = Vec::new();
    for name in listed(disk, &folder)? {
        let rest = name.as_bytes().strip_prefix(names.log.as_slice());
        let is_ours = rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'.');
        if is_ours && name.as_bytes() != names.manifest() {
            ours.push(name);
        }
    }
    ours.push(std::ffi::OsStr::from_bytes(&names.manifest()).to_owned());
    for name in ours {
        match disk.rename(&folder.join(&name), &aside.join(&name)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => (),
        }
    }
    disk.sync_folder(&aside)?;
    disk.sync_folder(&folder)?;
    let text = format!("The append only file that was not loaded is kept in {}", aside.display());
    Ok((Level::Warning, text))
}

/// Gives another name to a snapshot that was not loaded.
pub fn set_snapshot_aside(disk: &dyn Disk, names: &Names, now: Millis) -> io::Result<Note> {
    let ending = format!(".kept-{}", now.0.div_euclid(1000));
    let aside = names.in_folder(&[&names.snapshot, ending.as_bytes()].concat());
    disk.rename(&names.snapshot_path(), &aside)?;
    disk.sync_folder(or_here(&names.folder))?;
    let text = format!("The snapshot that was not loaded is kept as {}", aside.display());
    Ok((Level::Warning, text))
}

/// Copies a file from some place on, and makes the copy durable, its name apart.
pub fn copy(disk: &dyn Disk, from: &Path, start: u64, to: &Path) -> io::Result<()> {
    const PORTION: usize = 1 << 20;
    let write = || {
        let (from, to) = (disk.open(from)?, disk.create(to)?);
        let mut portion = vec![0; PORTION];
        let mut at = start;
        loop {
            match from.read_at(&mut portion, at)? {
                0 => return to.sync(),
                count => {
                    to.write_all(&portion[..count])?;
                    at += count as u64;
                }
            }
        }
    };
    write().inspect_err(|_| drop(disk.remove(to)))
}

/// What was a log before there were manifests becomes the base of one, as Redis does it.
fn take_old_log(
    disk: &dyn Disk,
    names: &Names,
    manifest: Manifest,
    notes: &mut Vec<Note>,
) -> Result<Manifest, Refused> {
    if !exists(disk, &names.old_log_path())? {
        return Ok(manifest);
    }
    // The move was interrupted: the manifest tells of it already.
    let is_under_way = manifest.incrs.is_empty()
        && manifest.base.as_ref().is_some_and(|base| base.name == names.log)
        && !exists(disk, &names.part_path(&names.log))?;
    if !manifest.is_empty() && !is_under_way {
        return Ok(manifest);
    }
    let folder = shown(&names.log_folder);
    let manifest = Manifest::of_old_log(names);
    let prepare = || {
        disk.make_folder(&names.log_folder_path())?;
        disk.sync_folder(or_here(&names.folder))
    };
    prepare()
        .map_err(|why| refused(format!("Can't open or create append-only dir {folder}: {why}")))?;
    manifest
        .write(disk, names)
        .map_err(|why| refused(format!("Can't write the AOF manifest: {why}")))?;
    let shift = || {
        disk.rename(&names.old_log_path(), &names.part_path(&names.log))?;
        disk.sync_folder(&names.log_folder_path())?;
        disk.sync_folder(or_here(&names.folder))
    };
    shift().map_err(|why| {
        let name = shown(&names.log);
        refused(format!("Error trying to move the old AOF file {name} into dir {folder}: {why}"))
    })?;
    let text = format!(
        "Successfully migrated an old-style AOF file ({}) into the AOF directory ({folder}).",
        shown(&names.log)
    );
    notes.push((Level::Notice, text));
    Ok(manifest)
}

/// Parts without a manifest: it was lost, or the power went before the first one was written. What they mean is
/// sure if there is one base, or none and nothing else that the commands may have followed on.
fn find_parts(
    disk: &dyn Disk,
    names: &Names,
    has_snapshot: bool,
    notes: &mut Vec<Note>,
) -> Result<Manifest, Refused> {
    let folder = names.log_folder_path();
    let found = listed(disk, &folder)
        .map_err(|why| refused(format!("Can't look into {}: {why}", folder.display())))?;
    let (mut bases, mut incrs) = (Vec::new(), Vec::new());
    for name in &found {
        let Some(rest) = name.as_bytes().strip_prefix(names.log.as_slice()) else { continue };
        let Some(rest) = std::str::from_utf8(rest).ok().and_then(|rest| rest.strip_prefix('.'))
        else {
            continue;
        };
        let Some((seq, kind)) = rest.split_once('.') else { continue };
        let Ok(seq) = seq.parse::<u64>() else { continue };
        match kind {
            "base.rdb" | "base.aof" => bases.push((seq, name)),
            "incr.aof" => incrs.push((seq, name)),
            _ => (),
        }
    }
    let is_empty = |name: &std::ffi::OsString| {
        disk.stat(&folder.join(name)).is_ok_and(|stat| stat.length == 0)
    };
    if bases.is_empty() && incrs.iter().all(|(_, name)| is_empty(name)) {
        return Ok(Manifest::default());
    }
    if bases.len() > 1 || bases.is_empty() && has_snapshot {
        let text = format!(
            "There are files of an append only file in {}, but no manifest, and which of them belong together is not \
             clear. Put the manifest back, or write it by hand, or move the files away.",
            folder.display()
        );
        return Err(refused(text));
    }
    incrs.sort();
    let line = |seq: u64, name: &std::ffi::OsString, kind: char| {
        let mut line = b"file ".to_vec();
        crate::base::bytes::quote(name.as_bytes(), &mut line);
        line.extend_from_slice(format!(" seq {seq} type {kind}\n").as_bytes());
        line
    };
    let bases = bases.iter().map(|(seq, name)| line(*seq, name, 'b'));
    let text: Vec<u8> =
        bases.chain(incrs.iter().map(|(seq, name)| line(*seq, name, 'i'))).flatten().collect();
    let manifest = Manifest::parse(&text).map_err(|invalid| Refused { lines: invalid.lines() })?;
    manifest
        .write(disk, names)
        .map_err(|why| refused(format!("Can't write the AOF manifest: {why}")))?;
    let text = format!(
        "There was no AOF manifest in {}, but {} files that belong together: it was written anew.",
        folder.display(),
        manifest.parts().count()
    );
    notes.push((Level::Warning, text));
    Ok(manifest)
}

fn check_parts(disk: &dyn Disk, names: &Names, manifest: &Manifest) -> Result<(), Refused> {
    for part in manifest.parts() {
        disk.stat(&names.part_path(&part.name)).map_err(|why| {
            let why = said(&why);
            let name = shown(&part.name);
            refused(format!("Unable to obtain the AOF file {name} length. stat: {why}"))
        })?;
    }
    Ok(())
}

fn has_log(disk: &dyn Disk, names: &Names) -> Result<bool, Refused> {
    Ok(exists(disk, &names.manifest_path())? || exists(disk, &names.old_log_path())?)
}

fn exists(disk: &dyn Disk, path: &Path) -> Result<bool, Refused> {
    disk.exists(path).map_err(|why| refused(format!("Can't look for {}: {why}", path.display())))
}

/// What is in a folder, which need not be there.
fn listed(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    match disk.list(folder) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        done => done,
    }
}

fn refused(text: String) -> Refused {
    Refused { lines: vec![text] }
}
