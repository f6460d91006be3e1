//! One damage to one file of a store, chosen by a number.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Damageable;
use crate::simulator::dice::Dice;

/// What is written over by one stroke, in bytes: the least that a disk replaces.
const SECTOR_BYTES: usize = 512;

/// What is copied over something else, in bytes: a write that went to the wrong place.
const BLOCK_BYTES: usize = 4096;

/// What was done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    Flip { offset: usize, bit: u8 },
    Garble { offset: usize, bytes: Vec<u8> },
    Clear { offset: usize },
    Overwrite { from: usize, to: usize },
    Truncate { bytes: usize },
    Remove,
}

/// One damage to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Injury {
    file: PathBuf,
    /// The part of the file that was meant, in the words of the backend.
    pub region: String,
    deed: Deed,
}

impl fmt::Display for Injury {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.deed {
            Deed::Flip { offset, bit } => write!(f, "bit {bit} of byte {offset} of {file} turned"),
            Deed::Garble { offset, bytes } => {
                write!(f, "{} bytes of {file} garbled from {offset} on", bytes.len())
            }
            Deed::Clear { offset } => write!(f, "the sector of {file} at {offset} cleared"),
            Deed::Overwrite { from, to } => write!(f, "{file}: block {from} written over {to}"),
            Deed::Truncate { bytes } => write!(f, "{file} cut to {bytes} bytes"),
            Deed::Remove => write!(f, "{file} removed"),
        }?;
        write!(f, " ({})", self.region)
    }
}

/// The parts of all files of a store that may be hurt, by the names that the backend gives them.
#[derive(Debug)]
pub(super) struct Anatomy {
    regions: BTreeMap<String, Vec<(PathBuf, Range<usize>)>>,
    lengths: BTreeMap<PathBuf, usize>,
}

impl Anatomy {
    /// Looks at a store that is not open.
    pub(super) fn of<H: Damageable>(directory: &Path) -> Self {
        let mut anatomy = Self { regions: BTreeMap::new(), lengths: BTreeMap::new() };
        for file in files(directory) {
            let bytes = fs::read(directory.join(&file)).expect("the file can be read");
            for (region, range) in H::regions(&file.to_string_lossy(), &bytes) {
                assert!(range.end <= bytes.len(), "{region} of {} ends too far", file.display());
                anatomy.regions.entry(region).or_default().push((file.clone(), range));
            }
            anatomy.lengths.insert(file, bytes.len());
        }
        anatomy
    }

    /// The injury of a number. The regions take turns.
    pub(super) fn injury(&self, number: u64) -> Injury {
        let mut dice = Dice::new(number);
        let count = self.regions.len() as u64;
        let turn = usize::try_from(number % count).expect("few regions");
        let (region, places) = self.regions.iter().nth(turn).expect("below their count");
        let (file, range) = dice.pick(places).clone();
        let bytes = self.lengths[&file];
        let offset = range.start + dice.index(range.len().max(1));
        let deed = match dice.below(100) {
            _ if bytes == 0 => Deed::Remove,
            0..60 => Deed::Flip { offset, bit: u8::try_from(dice.below(8)).expect("below 8") },
            60..70 => {
                let count = dice.count(1, 64).min(bytes - offset);
                Deed::Garble { offset, bytes: dice.bytes().repeat(4)[..count].to_vec() }
            }
            70..80 => Deed::Clear { offset: offset / SECTOR_BYTES * SECTOR_BYTES },
            80..87 => {
                let blocks = bytes.div_ceil(BLOCK_BYTES);
                let to = offset / BLOCK_BYTES * BLOCK_BYTES;
                Deed::Overwrite { from: dice.index(blocks) * BLOCK_BYTES, to }
            }
            87..97 => Deed::Truncate { bytes: offset },
            _ => Deed::Remove,
        };
        Injury { file, region: region.clone(), deed }
    }
}

impl Injury {
    /// Does the deed to the store in a directory.
    pub(super) fn inflict(&self, directory: &Path) {
        let path = directory.join(&self.file);
        let mut bytes = fs::read(&path).expect("the file can be read");
        match &self.deed {
            Deed::Flip { offset, bit } => bytes[*offset] ^= 1 << bit,
            Deed::Garble { offset, bytes: noise } => {
                bytes[*offset..*offset + noise.len()].copy_from_slice(noise);
            }
            Deed::Clear { offset } => {
                let end = bytes.len().min(offset + SECTOR_BYTES);
                bytes[*offset..end].fill(0);
            }
            Deed::Overwrite { from, to } => {
                let length = BLOCK_BYTES.min(bytes.len() - from).min(bytes.len() - to);
                bytes.copy_within(*from..from + length, *to);
            }
            Deed::Truncate { bytes: length } => bytes.truncate(*length),
            Deed::Remove => return fs::remove_file(&path).expect("the file can be removed"),
        }
        fs::write(&path, bytes).expect("the file can be written");
    }
}

/// All files of a store but those that only lock it, by their paths within the directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(directory.join(&folder)).expect("the folder can be listed");
        for entry in entries {
            let entry = entry.expect("the folder can be listed");
            let path = folder.join(entry.file_name());
            let is_lock = path.file_name().is_some_and(|name| {
                let name = name.to_string_lossy();
                name == "LOCK" || name.starts_with("lock.") || name.ends_with(".lock")
            });
            if entry.file_type().expect("the file has a type").is_dir() {
                folders.push(path);
            } else if !is_lock {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    found
}

/// Copies all files of a store that is not open.
pub(super) fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("an old copy can be removed");
    }
    for file in files(from) {
        let target = to.join(&file);
        let folder = target.parent().expect("a file lies in a folder");
        fs::create_dir_all(folder).expect("a folder can be made");
        fs::copy(from.join(&file), target).expect("a file can be copied");
    }
}
