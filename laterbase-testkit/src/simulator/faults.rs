//! What goes wrong with links, disks, clocks and devices.

use std::collections::BTreeSet;

use laterbase_core::delta::Delta;
use laterbase_core::store::Area;

use super::disk::CommitFault;
use super::exchange::Landing;
use super::node::{Backup, Memory};
use super::outcome::{Verdict, ensure, no_reason};
use super::world::World;

/// The longest that a link is slow.
const CLOGGED_NANOS_MAX: i64 = 3_600_000_000_000;

/// How long a device may be out of reach: minutes, hours, a season.
const AWAY_NANOS_MAX: [i64; 3] =
    [600_000_000_000, 12 * 3_600_000_000_000, 90 * 24 * 3_600_000_000_000];

/// The most commits in a row that find the disk full.
const FULL_COMMITS_MAX: u64 = 30;

/// The most devices that a run may come to have by cloning.
const NODES_MAX: usize = 8;

impl World {
    /// Rolls for every fault there is.
    pub(super) fn bring_faults(&mut self) -> Verdict {
        self.network_faults();
        self.disk_faults();
        self.clock_faults();
        self.process_faults()?;
        self.device_faults()?;
        self.operate()
    }

    /// A device that is still there, running or not.
    fn anybody(&mut self) -> Option<usize> {
        let living = self.living();
        (!living.is_empty()).then(|| *self.dice.pick(&living))
    }

    fn network_faults(&mut self) {
        let options = self.options.network;
        if self.dice.chance(options.partition) {
            let side: Vec<bool> = self.nodes.iter().map(|_| self.dice.chance(500)).collect();
            let one_way = self.dice.chance(400);
            self.network.partition(&side, one_way);
            self.outcome.partitions += 1;
            self.say(format_args!("links between {side:?} are cut, one way: {one_way}"));
        }
        if self.dice.chance(options.clog) {
            let (from, to) = (self.dice.index(self.nodes.len()), self.dice.index(self.nodes.len()));
            let until = self.now + self.dice.around(CLOGGED_NANOS_MAX).abs();
            self.network.clog(from, to, until);
        }
        if self.dice.chance(options.heal) {
            self.network.heal();
        }
    }

    fn disk_faults(&mut self) {
        let options = self.options.disk;
        let Some(index) = self.anybody() else { return };
        let area = if self.dice.chance(700) { Area::Truth } else { Area::Derived };
        let late = self.dice.chance(500);
        let fault = if self.dice.chance(options.full) {
            CommitFault::Full
        } else if self.dice.chance(options.commit_error) {
            if late { CommitFault::After } else { CommitFault::Before }
        } else if self.dice.chance(options.crash_in_commit) {
            if late { CommitFault::CrashAfter } else { CommitFault::CrashBefore }
        } else if self.dice.chance(options.read_error) {
            let after = self.dice.below(40);
            self.nodes[index].disk.fail_read(after);
            self.say(format_args!("{index} will fail to read after {after}"));
            return;
        } else {
            return;
        };
        let times = if fault == CommitFault::Full && self.dice.chance(500) {
            self.dice.between(2, FULL_COMMITS_MAX)
        } else {
            1
        };
        self.nodes[index].disk.fail_commits(area, fault, times);
        self.say(format_args!("{index} will meet {fault:?} in {area:?}, {times} times"));
    }

    fn clock_faults(&mut self) {
        let options = self.options.clock;
        let Some(index) = self.anybody() else { return };
        if self.dice.chance(options.jump) {
            self.nodes[index].clock.jump(self.now, &mut self.dice);
        } else if self.dice.chance(options.stop) {
            let age = self.now - super::node::START;
            self.nodes[index].clock.stop_or_go(self.now, age);
        } else {
            return;
        }
        self.outcome.clock_faults += 1;
        let wall = self.nodes[index].wall(self.now);
        self.say(format_args!("{index} has its clock at {wall}"));
    }

    fn process_faults(&mut self) -> Verdict {
        let options = self.options.life;
        let Some(index) = self.anybody() else { return Ok(()) };
        if self.dice.chance(options.start) {
            let node = &mut self.nodes[index];
            if node.replica.is_none() || node.disk.is_poisoned() {
                if self.dice.chance(options.fold_change) {
                    node.fold.version = 3 - node.fold.version;
                }
                return self.start(index);
            }
        }
        if self.nodes[index].replica.is_none() {
            return Ok(());
        }
        if self.dice.chance(options.crash) {
            self.nodes[index].replica = None;
            self.outcome.crashes += 1;
            self.say(format_args!("{index} is killed"));
        } else if self.dice.chance(options.power_loss) {
            let image = self.nodes[index].disk.image();
            let commit_nanos_max = self.options.disk.commit_nanos_max;
            self.nodes[index].replace_disk(image, commit_nanos_max);
            self.nodes[index].lost_power = true;
            let resets = self.nodes[index].clock.lose_power(self.now);
            self.outcome.clock_faults += u64::from(resets);
            self.outcome.crashes += 1;
            self.outcome.power_losses += 1;
            self.say(format_args!("{index} loses power, and its clock: {resets}"));
        } else if self.dice.chance(options.stop) {
            let closed = self.nodes[index].replica.take().map(|replica| replica.close());
            let error = closed.and_then(Result::err);
            self.expect_fault(index, "closing", error.as_ref())?;
            self.say(format_args!("{index} is stopped: {error:?}"));
            self.after_use(index)?;
        }
        Ok(())
    }

    fn device_faults(&mut self) -> Verdict {
        let options = self.options.life;
        let Some(index) = self.anybody() else { return Ok(()) };
        if self.dice.chance(options.backup) {
            self.back_up(index);
        } else if self.dice.chance(options.offline) {
            let longest = *self.dice.pick(&AWAY_NANOS_MAX);
            let until = self.now + self.dice.around(longest).abs();
            self.nodes[index].offline_until = until;
            self.say(format_args!("{index} is out of reach until {until}"));
        } else if self.dice.chance(options.retire) && self.living().len() > 2 {
            self.nodes[index].is_retired = true;
            self.nodes[index].replica = None;
            self.network.isolate(index, self.nodes.len());
            self.say(format_args!("{index} never comes back"));
        } else if self.dice.chance(options.wipe) {
            let store = self.empty_store(index);
            let empty = Backup { image: store, memory: Memory::default(), id: self.no_id() };
            return self.put_back(index, empty, true, "is wiped");
        } else if self.dice.chance(options.clone) && self.nodes.len() < NODES_MAX {
            return self.clone_of(index);
        } else if self.dice.chance(options.restore_elsewhere) {
            if let Some(backup) = self.some_backup(index) {
                return self.put_back(index, backup, true, "is restored elsewhere");
            }
        } else if self.dice.chance(options.restore_in_place) {
            return self.restore_in_place(index);
        } else if self.dice.chance(options.fork) {
            return self.fork();
        }
        Ok(())
    }

    /// Sets a device back that then writes on under its id, as if nothing had been.
    fn fork(&mut self) -> Verdict {
        // Behind what others have seen of it: else there is one history left.
        let is_behind = |index: usize, backup: &Backup| {
            let seq_of = |memory: &Memory, root| memory.seq(root, backup.id);
            let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != index);
            let mut others = others.map(|(_, other)| &other.memory);
            let roots = &self.roots;
            others.any(|other| {
                roots.iter().any(|root| seq_of(other, root) > seq_of(&backup.memory, root))
            })
        };
        let living = self.living().into_iter();
        let able = living.flat_map(|index| {
            let backups = (0..).zip(&self.nodes[index].backups);
            let able = backups.filter(move |(_, backup)| is_behind(index, backup));
            able.map(move |(number, _)| (index, number))
        });
        let able: Vec<(usize, usize)> = able.collect();
        if able.is_empty() {
            return Ok(());
        }
        let (index, number) = *self.dice.pick(&able);
        let backup = self.nodes[index].backups[number].clone();
        self.ledger.doubt(backup.id);
        self.put_back(index, backup, false, "is set back and writes on")?;
        // Before it hears of its own past, where somebody has seen that.
        for _ in 0..self.dice.below(4) {
            if self.nodes[index].is_up() {
                self.write_at(index)?;
            }
        }
        Ok(())
    }

    const fn no_id(&self) -> laterbase_core::id::ReplicaId {
        laterbase_core::id::ReplicaId::from_bytes([0; 16])
    }

    /// Puts a copy of a store away, as a power loss would leave it.
    fn back_up(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let (Some(id), Some(_)) = (node.id, &node.replica) else { return };
        // What a failed commit left on the disk is not known here.
        if !node.disk.is_poisoned() {
            let backup = Backup { image: node.disk.image(), memory: node.memory.clone(), id };
            node.backups.push(backup);
            self.say(format_args!("{index} is backed up"));
        }
    }

    fn some_backup(&mut self, index: usize) -> Option<Backup> {
        let backups = &self.nodes[index].backups;
        (!backups.is_empty()).then(|| self.dice.pick(backups).clone())
    }

    /// Replaces a device's store and starts it.
    fn put_back(&mut self, index: usize, backup: Backup, moves: bool, how: &str) -> Verdict {
        let home = if moves { self.next_home() } else { self.nodes[index].home };
        let commit_nanos_max = self.options.disk.commit_nanos_max;
        let node = &mut self.nodes[index];
        let image = copy_of(&backup);
        node.replace_disk(image, commit_nanos_max);
        (node.home, node.lost_power) = (home, true);
        node.know(backup.memory);
        self.outcome.replacements += 1;
        self.say(format_args!("{index} {how}"));
        self.start(index)
    }

    /// A copy of a device's store comes to life elsewhere.
    fn clone_of(&mut self, index: usize) -> Verdict {
        self.back_up(index);
        let Some(backup) = self.some_backup(index) else { return Ok(()) };
        let clone = self.add_node(copy_of(&backup));
        self.nodes[clone].stamp_bound = self.nodes[index].stamp_bound;
        self.nodes[clone].memory = backup.memory;
        self.nodes[clone].lost_power = true;
        self.outcome.replacements += 1;
        self.say(format_args!("{clone} is a clone of {index}"));
        self.start(clone)?;
        ensure(self.nodes[clone].id != Some(backup.id), "a clone takes a new id", || {
            format!("{} lives twice", backup.id)
        })
    }

    /// Sets a store back at its own place, the way it must be done: whoever knows more of its
    /// history is heard before anything is written, and nothing of it is still on its way.
    fn restore_in_place(&mut self, index: usize) -> Verdict {
        let Some(backup) = self.some_backup(index) else { return Ok(()) };
        let settled = self.living().into_iter().all(|other| {
            let node = &self.nodes[other];
            node.is_up() && !node.disk.is_poisoned()
        });
        if !settled || self.is_known_to_backups(index, &backup) {
            return Ok(());
        }
        self.network.clear();
        let length = backup.memory.arrivals.len();
        self.nodes[index].backups.retain(|other| other.memory.arrivals.len() <= length);
        self.put_back(index, backup.clone(), false, "is restored in place")?;
        if self.nodes[index].id != Some(backup.id) {
            return Ok(());
        }
        for root in self.roots.clone() {
            let held = self.nodes[index].memory.seq(&root, backup.id);
            let knows_more = |node: &super::node::Node| node.memory.seq(&root, backup.id) > held;
            let witness = self.living().into_iter().find(|other| knows_more(&self.nodes[*other]));
            let Some(reader) = witness.and_then(|other| self.nodes[other].reader()) else {
                continue;
            };
            let mut vv = reader.version_vector(&root);
            vv.set(backup.id, held);
            // Only what the device lacks of its own.
            for (origin, seq) in self.nodes[index].memory.version_vector(&root).iter() {
                vv.raise(origin, seq);
            }
            self.nodes[witness.unwrap_or(index)].disk.suspend_faults(true);
            let page = reader.delta(&root, &vv, usize::MAX, usize::MAX);
            self.nodes[witness.unwrap_or(index)].disk.suspend_faults(false);
            let page = page.map_err(|error| no_reason("restore", "reading a delta", &error))?;
            let delta = Delta::decode(&page.bytes);
            let delta = delta.map_err(|error| no_reason("restore", "decoding a delta", &error))?;
            let answer = self.merge(index, &delta, Landing::Heard)?;
            self.say(format_args!("{index} hears of its own past: {answer:?}"));
            return ensure(
                self.nodes[index].id != Some(backup.id),
                "an id in doubt is given up",
                || format!("{} goes on after {answer:?}", backup.id),
            );
        }
        self.forget_what_is_lost(backup.id);
        Ok(())
    }

    /// Whether a copy that was put away elsewhere knows more of a device's history than every
    /// device does. Nobody could warn the device then, and the copy may come back one day.
    fn is_known_to_backups(&self, index: usize, backup: &Backup) -> bool {
        let seq_of = |memory: &Memory| {
            self.roots.iter().map(|root| memory.seq(root, backup.id)).collect::<Vec<_>>()
        };
        let held = seq_of(&backup.memory);
        (0..self.nodes.len()).filter(|other| *other != index).any(|other| {
            let node = &self.nodes[other];
            let aside = node.backups.iter().any(|aside| {
                seq_of(&aside.memory).iter().zip(&held).any(|(more, held)| more > held)
            });
            aside && !node.is_retired
        })
    }

    /// Events of an id that nobody holds any more never were, so that their dots may be given
    /// again. What somebody has in quarantine may still come in, and the id is in doubt anyway.
    fn forget_what_is_lost(&mut self, origin: laterbase_core::id::ReplicaId) {
        let living = self.nodes.iter().filter(|node| !node.is_retired);
        let memories = living.flat_map(|node| {
            let aside = node.backups.iter().map(|backup| &backup.memory);
            aside.chain([&node.memory])
        });
        let memories: Vec<&Memory> = memories.collect();
        let mut forks = memories.iter().flat_map(|memory| &memory.forks);
        if forks.any(|fork| fork.origin == origin) {
            return;
        }
        let held = memories.iter().flat_map(|memory| &memory.arrivals);
        let held: BTreeSet<usize> = held.map(|arrival| arrival.fact).collect();
        self.ledger.forget(origin, &held);
    }
}

/// A store of its own with the content of a backup.
fn copy_of(backup: &Backup) -> laterbase_core::memory_store::MemoryStore {
    backup.image.after_power_loss()
}
