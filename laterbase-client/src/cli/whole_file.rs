//! Where `export` writes to: a file that is whole or is not there, a device, a pipe, or stdout.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Stdout, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The name that stands for stdin and stdout.
pub(crate) const STANDARD: &str = "-";

/// Symbolic links that are followed from a name to a file, as many as Linux follows.
const LINKS_MAX: usize = 40;

/// Takes the bytes, and counts them.
pub(crate) struct Sink {
    output: SinkOutput,
    bytes: u64,
}

enum SinkOutput {
    File(File),
    Stdout(Stdout),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.output {
            SinkOutput::File(file) => file.write(bytes),
            SinkOutput::Stdout(stdout) => stdout.write(bytes),
        }?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.output {
            SinkOutput::File(file) => file.flush(),
            SinkOutput::Stdout(stdout) => stdout.flush(),
        }
    }
}

/// Whether a name stands for stdin or stdout.
pub(crate) fn is_standard(name: &Path) -> bool {
    name == Path::new(STANDARD)
}

/// Writes to what `name` stands for, and gives the number of bytes.
///
/// A plain file is written under another name first and then takes the place, with its mode, of
/// the one that is there: so a file of the right name is a whole one. A symbolic link stays, and
/// what it leads to is replaced. What is no plain file (a device, a pipe) is written to as it is.
pub(crate) fn write_whole(
    name: &Path,
    write: impl FnOnce(BufWriter<Sink>) -> anyhow::Result<BufWriter<Sink>>,
) -> anyhow::Result<u64> {
    if is_standard(name) {
        if io::stdout().is_terminal() {
            bail!("a delta file is not for a terminal: send it to a file or another program");
        }
        return Ok(fill(SinkOutput::Stdout(io::stdout()), write)?.bytes);
    }
    let written = follow(name).map_err(Into::into).and_then(|path| match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => bail!("it is a directory"),
        Ok(metadata) if !metadata.is_file() => {
            let file = File::options().write(true).open(&path)?;
            Ok(fill(SinkOutput::File(file), write)?.bytes)
        }
        Ok(metadata) => replace(&path, Some(metadata.permissions()), write),
        Err(error) if error.kind() == ErrorKind::NotFound => replace(&path, None, write),
        Err(error) => Err(error.into()),
    });
    written.with_context(|| format!("cannot write {}", name.display()))
}

/// The file that a name leads to, whether or not it is there.
fn follow(name: &Path) -> io::Result<PathBuf> {
    let mut path = name.to_owned();
    for _link in 0..LINKS_MAX {
        match fs::read_link(&path) {
            // A relative link starts from where it lies; an absolute one replaces all before it.
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            // It is no link, or not there.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("it is a link that leads in a circle"))
}

fn replace(
    file: &Path,
    permissions: Option<fs::Permissions>,
    write: impl FnOnce(BufWriter<Sink>) -> anyhow::Result<BufWriter<Sink>>,
) -> anyhow::Result<u64> {
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    // Left by a run that was killed; or a link, which would be written through.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let written = write_partial(&partial, permissions, write).and_then(|bytes| {
        fs::rename(&partial, file)?;
        sync_folder_of(file)?;
        Ok(bytes)
    });
    if written.is_err() {
        // It may not even be there; what matters is the first error.
        let _removed = fs::remove_file(&partial);
    }
    written
}

fn write_partial(
    partial: &Path,
    permissions: Option<fs::Permissions>,
    write: impl FnOnce(BufWriter<Sink>) -> anyhow::Result<BufWriter<Sink>>,
) -> anyhow::Result<u64> {
    let file = File::create_new(partial)?;
    if let Some(permissions) = permissions {
        // Before the first byte, so that nobody reads what is not for them.
        file.set_permissions(permissions)?;
    }
    let sink = fill(SinkOutput::File(file), write)?;
    if let SinkOutput::File(file) = &sink.output {
        file.sync_all()?;
    }
    Ok(sink.bytes)
}

fn fill(
    output: SinkOutput,
    write: impl FnOnce(BufWriter<Sink>) -> anyhow::Result<BufWriter<Sink>>,
) -> anyhow::Result<Sink> {
    let written = write(BufWriter::new(Sink { output, bytes: 0 }))?;
    Ok(written.into_inner().map_err(io::IntoInnerError::into_error)?)
}

/// Makes a new name survive power loss, where the system lets a folder be synced.
fn sync_folder_of(file: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
