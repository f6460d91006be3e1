//! Whole runs of the simulator. `cargo xtask sim` plays many more.

use std::env;
use std::process::Command;

use laterbase_testkit::simulator::{Outcome, Scenario, fault_names, play, run};

/// Names the seed to the child process that plays it.
const CHILD_SEED: &str = "LATERBASE_SIM_CHILD_SEED";

#[track_caller]
fn check(seeds: impl IntoIterator<Item = u64>) -> Outcome {
    let mut total = Outcome::default();
    for seed in seeds {
        match run(seed) {
            Ok(outcome) => total = total.and(outcome),
            Err(failure) => panic!("{failure}"),
        }
    }
    total
}

#[test]
fn nothing_goes_wrong_in_the_first_worlds_though_everything_is_tried() {
    // In the last ones, histories fork, and many devices hear of what was decided, or a branch gives
    // way by itself.
    let total = check((0..40).chain([125, 151]));
    let tried = [
        ("events", total.events),
        ("merges", total.merged),
        ("lost messages", total.lost),
        ("crashes", total.crashes),
        ("power losses", total.power_losses),
        ("disk faults", total.disk_faults),
        ("partitions", total.partitions),
        ("clock faults", total.clock_faults),
        ("replacements", total.replacements),
        ("forks", total.forks),
        ("decisions about forks", total.resolved),
        ("branches that give way by themselves", total.healed),
        ("branches that follow a decision", total.followed),
        ("pages by cursor", total.pages_by_cursor),
        ("cursors of another log", total.cursors_gone),
        ("conditions and keys that are refused", total.conditions_refused),
        ("repeated requests", total.requests_replayed),
        ("reads", total.reads),
    ];
    for (what, count) in tried {
        assert!(count > 0, "the seeds try no {what}: {total}");
    }
}

/// The hash covers every step, so that a failure that was seen once is seen again.
#[test]
#[expect(clippy::print_stdout, reason = "the child tells its hash")]
fn the_same_seed_gives_the_same_run_in_another_process() {
    if let Ok(seed) = env::var(CHILD_SEED) {
        let outcome = check([seed.parse().unwrap()]);
        println!("hash={:016x}", outcome.trace_hash);
        return;
    }
    let name = "simulator::the_same_seed_gives_the_same_run_in_another_process";
    let played = |seed: u64| {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args([name, "--exact", "--nocapture"]).env(CHILD_SEED, seed.to_string());
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let hash = text.split("hash=").nth(1).expect("the child tells its hash");
        u64::from_str_radix(&hash[..16], 16).unwrap()
    };
    let here = check([7]).trace_hash;
    assert_eq!((played(7), played(7)), (here, here));
    assert_ne!(played(8), here, "another seed gives another run");
}

/// What a failing run is made smaller by. Names that stand for nothing would be left in vain.
#[test]
fn every_fault_can_be_left_out_of_a_run() {
    let mut scenario = Scenario::of(0);
    for name in fault_names() {
        scenario.without.insert(name.to_owned());
    }
    scenario.steps = Some(300);
    let outcome = play(&scenario).unwrap();
    let tried = [
        outcome.lost,
        outcome.crashes,
        outcome.disk_faults,
        outcome.partitions,
        outcome.clock_faults,
        outcome.replacements,
        outcome.forks,
    ];
    assert_eq!(tried, [0; 7], "{outcome}");
    assert!(outcome.events > 0 && outcome.pages_by_cursor > 0, "{outcome}");
    let line = format!("--seed 0 --steps 300 --without {}", fault_names_sorted().join(","));
    assert_eq!(scenario.to_string(), line);
}

fn fault_names_sorted() -> Vec<&'static str> {
    let mut names: Vec<&str> = fault_names().collect();
    names.sort_unstable();
    names
}
