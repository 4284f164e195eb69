//! Curves of a training for TensorBoard: its event files, scalars only.
//!
//! The format is small and has been the same for ten years, so it is written by hand instead of with a protobuf compiler:
//! - File: records of `length (u64) | masked CRC-32C of the length | data | masked CRC-32C of the data`, little-endian
//!   (`TFRecord`), where `mask(c) = (c rotated right by 15) + 0xa282ead8`.
//! - Data: the protobuf message `Event { double wall_time = 1; int64 step = 2; oneof { string file_version = 3;
//!   Summary summary = 5; } }` with `Summary { repeated Value value = 1; }` and
//!   `Value { string tag = 1; float simple_value = 2; }`. The first event of a file says `brain.Event:2`.
//!
//! Every training is a run of its own: a folder `run-N` of the log folder, N being the first number that is free, so that
//! nothing is overwritten. Each event is on the disk before the next one, as TensorBoard reads along.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Polynomial of CRC-32C (Castagnoli), bits reversed.
const CASTAGNOLI: u32 = 0x82f6_3b78;

/// Contributions of one byte to a CRC.
const CRC_TABLE: [u32; 256] = crc_table();

/// An open event file: one run.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Begins the next run of a log folder, which is created where there is none. `wall_time`: seconds since 1970.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn next_run(folder: &Path, wall_time: f64) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let run = free_folder(folder)?;
        // TensorBoard knows its files by the middle word.
        let path = run.join(format!("events.out.tfevents.{wall_time:.0}.wane"));
        let file = File::create_new(&path).map_err(|error| Error::io(&path, error))?;
        let mut events = Self { path, file };
        events.append(&version(wall_time))?;
        Ok(events)
    }

    /// Adds scalars by name at a step.
    ///
    /// # Errors
    /// [`Error::Io`] when they cannot be written.
    pub fn scalars(&mut self, wall_time: f64, step: u64, scalars: &[(&str, f32)]) -> Result<()> {
        self.append(&summary(wall_time, step, scalars))
    }

    fn append(&mut self, event: &[u8]) -> Result<()> {
        self.file.write_all(&record(event)).map_err(|error| Error::io(&self.path, error))
    }
}

fn free_folder(folder: &Path) -> Result<PathBuf> {
    let mut number = 1u32;
    loop {
        let run = folder.join(format!("run-{number}"));
        match fs::create_dir(&run) {
            Ok(()) => return Ok(run),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Error::io(run, error)),
        }
    }
}

fn version(wall_time: f64) -> Vec<u8> {
    let mut event = Vec::new();
    put_double(&mut event, 1, wall_time);
    put_bytes(&mut event, 3, b"brain.Event:2");
    event
}

fn summary(wall_time: f64, step: u64, scalars: &[(&str, f32)]) -> Vec<u8> {
    let mut values = Vec::new();
    for (tag, scalar) in scalars {
        let mut value = Vec::new();
        put_bytes(&mut value, 1, tag.as_bytes());
        put_float(&mut value, 2, *scalar);
        put_bytes(&mut values, 1, &value);
    }
    let mut event = Vec::new();
    put_double(&mut event, 1, wall_time);
    put_key(&mut event, 2, 0);
    put_varint(&mut event, step);
    put_bytes(&mut event, 5, &values);
    event
}

/// Field number and wire type: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes.
fn put_key(message: &mut Vec<u8>, field: u8, wire: u8) {
    message.push(field << 3 | wire);
}

/// Seven bits per byte, lowest first; the high bit says that more follow.
fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

fn put_double(message: &mut Vec<u8>, field: u8, number: f64) {
    put_key(message, field, 1);
    message.extend(number.to_le_bytes());
}

fn put_float(message: &mut Vec<u8>, field: u8, number: f32) {
    put_key(message, field, 5);
    message.extend(number.to_le_bytes());
}

fn put_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    put_key(message, field, 2);
    put_varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let masks = [&length[..], data].map(|bytes| masked(crc32c(bytes)).to_le_bytes());
    [&length[..], &masks[0], data, &masks[1]].concat()
}

const fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| (crc >> 8) ^ CRC_TABLE[(crc as u8 ^ byte) as usize])
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ CASTAGNOLI } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&ascending), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn bytes_are_those_of_another_writer() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::next_run(folder.path(), 1_700_000_000.25).unwrap();
        file.scalars(1_700_000_001.5, 1, &[("loss", 7.25), ("gain", 0.0625)]).unwrap();
        file.scalars(1_700_000_060.0, 300, &[("loss", -0.1), ("examples_per_second", 123_456.0)]).unwrap();
        let written = fs::read(folder.path().join("run-1/events.out.tfevents.1700000000.wane")).unwrap();
        assert_eq!(written, include_bytes!("../../tests/fixtures/tensorboard.tfevents"));
    }

    #[test]
    fn runs_overwrite_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            EventFile::next_run(&folder.path().join("runs"), 5.0).unwrap();
        }
        assert!(folder.path().join("runs/run-2/events.out.tfevents.5.wane").exists());
        fs::write(folder.path().join("file"), "").unwrap();
        let message = EventFile::next_run(&folder.path().join("file"), 5.0).unwrap_err().to_string();
        assert!(message.contains("file: "), "{message}");
    }
}
