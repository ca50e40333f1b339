//! The file that says how many lines of a run were answered, and of which run: the number, as wide as it can get and
//! written over itself; then the command and a digest of the first line.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::CliError;

/// Longest note that is read, in bytes.
const NOTE_BYTES_MAX: u64 = 4096;

/// How far a run is.
#[derive(Debug)]
pub(super) struct Note {
    file: File,
    path: PathBuf,
    lines: u64,
    command: String,
    /// The digest of the first line in the run it is of; nothing where it is of none yet.
    first: Option<String>,
}

impl Note {
    /// The note in this file, for a run that calls this command.
    ///
    /// # Errors
    /// When it cannot be read or written, is no note, or one of another command.
    pub(super) fn open(path: &Path, command: &str) -> Result<Self, CliError> {
        let failed = |reason: &str| CliError::Usage(format!("{}: {reason}", path.display()));
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(|error| failed(&error.to_string()))?;
        let mut text = String::new();
        let read = Read::by_ref(&mut file).take(NOTE_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| failed(&error.to_string()))?;
        let mut note = Self { file, path: path.to_owned(), lines: 0, command: command.to_owned(), first: None };
        let mut words = text.split_whitespace();
        let (Some(lines), of) = (words.next(), words.next()) else { return Ok(note) };
        note.lines = lines.parse().map_err(|_| failed("it is not a file of --resume"))?;
        let (Some(of), Some(first), None) = (of, words.next(), words.next()) else {
            return Err(failed("it does not name its command; use another file"));
        };
        if of != command {
            return Err(failed(&format!("it belongs to calls of `{of}`, not of `{command}`; use another file")));
        }
        note.first = Some(first.to_owned());
        Ok(note)
    }

    /// How many lines were answered.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Tells it the first line of the input.
    ///
    /// # Errors
    /// When it is of a run that began with another.
    pub(super) fn begin(&mut self, line: &[u8]) -> Result<(), CliError> {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(line.trim_ascii()));
        match &self.first {
            Some(first) if *first != digest => Err(CliError::Usage(format!(
                "{}: it belongs to another input, whose first line differs; use another file",
                self.path.display()
            ))),
            Some(_) => Ok(()),
            None => {
                let text = format!("{:020}\n{} {digest}\n", 0, self.command);
                self.first = Some(digest);
                self.write(&text)
            }
        }
    }

    /// Notes that this many lines were answered.
    pub(super) fn set(&mut self, lines: u64) -> Result<(), CliError> {
        self.lines = lines;
        self.write(&format!("{lines:020}\n"))
    }

    fn write(&self, text: &str) -> Result<(), CliError> {
        let written = self.file.write_all_at(text.as_bytes(), 0);
        written.map_err(|error| CliError::Failed(format!("the file of --resume cannot be written: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_of_one_run() {
        let directory = std::env::temp_dir().join(format!("muster-note-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("note");
        let open = |command| Note::open(&path, command);
        let mut note = open("hello").unwrap();
        note.begin(b"{\"a\":1}\n").unwrap();
        note.set(7).unwrap();
        let mut again = open("hello").unwrap();
        assert_eq!(again.lines(), 7);
        again.begin(b"{\"a\":1}\r\n").unwrap();
        for (error, expected) in [
            (open("hello").unwrap().begin(b"{\"a\":2}\n").unwrap_err(), "belongs to another input"),
            (open("hello/v1").unwrap_err(), "calls of `hello`, not of `hello/v1`"),
        ] {
            assert!(error.to_string().contains(expected), "{error}");
        }
        for (text, expected) in [("7\n", "does not name its command"), ("seven\n", "not a file of --resume")] {
            std::fs::write(&path, text).unwrap();
            assert!(open("hello").unwrap_err().to_string().contains(expected), "{text}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
