//! Writes the seeds of the fuzz targets to `fuzz/seeds`.

use std::path::Path;
use std::{fs, io};

use laterbase_testkit::fuzzing::TARGETS;

fn main() -> io::Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    for target in TARGETS {
        let folder = seeds.join(target.name);
        fs::create_dir_all(&folder)?;
        for (index, seed) in (target.seeds)().into_iter().enumerate() {
            fs::write(folder.join(index.to_string()), seed)?;
        }
    }
    Ok(())
}
