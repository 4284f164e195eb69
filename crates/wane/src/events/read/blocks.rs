//! Cutting a stream of text into blocks that end where records end, so that blocks can be parsed apart.

use std::io::Read;

use super::csv::{BOM, last_record_end, record_end, sniff_delimiter};
use super::source::{Format, Source, malformed};
use crate::error::Result;

/// Bytes of a block: small enough for the second-level cache, large enough that handing it over costs nothing.
const BLOCK: usize = 1 << 20;

/// Longest record that is believed; a longer one is a quote that was never closed.
const LONGEST_RECORD: usize = 64 << 20;

/// The blocks of one text file, in order.
pub(super) struct Blocks<'a> {
    source: &'a Source,
    stream: Box<dyn Read + Send>,
    /// Bytes already read that belong to the next block.
    carry: Vec<u8>,
    /// Bytes of the blocks already handed out.
    passed: u64,
    /// Delimiter of delimited text; `None` for lines.
    pub(super) delimiter: Option<u8>,
}

impl<'a> Blocks<'a> {
    /// Opens a file, skips a byte order mark and finds the delimiter in the first line.
    pub(super) fn open(source: &'a Source) -> Result<Self> {
        let mut blocks =
            Self { source, stream: source.reader()?, carry: Vec::new(), passed: 0, delimiter: None };
        let mut start = Vec::new();
        blocks.fill(&mut start, BLOCK)?;
        if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
            return Err(malformed(&source.path, "the text is UTF-16".into(), "Convert the file to UTF-8"));
        }
        if start.starts_with(BOM) {
            start.drain(..BOM.len());
            blocks.passed = BOM.len() as u64;
        }
        if source.format == Format::Csv {
            let line = memchr::memchr(b'\n', &start).unwrap_or(start.len());
            blocks.delimiter = Some(source.delimiter.unwrap_or_else(|| sniff_delimiter(&start[..line])));
        }
        blocks.carry = start;
        Ok(blocks)
    }

    /// The next block, which ends at a record's end; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut block = std::mem::take(&mut self.carry);
        loop {
            let more = if block.len() < BLOCK { BLOCK - block.len() } else { block.len() };
            let at_end = self.fill(&mut block, more)? == 0;
            if at_end {
                return self.last(block);
            }
            match self.cut(&block) {
                Ok(end) => {
                    self.carry = block.split_off(end);
                    self.passed += end as u64;
                    return Ok(Some(block));
                }
                Err(open) if block.len() > LONGEST_RECORD => return Err(self.endless(&block, open)),
                Err(_) => {}
            }
        }
    }

    /// The rest of the file, which must not end inside quotes.
    fn last(&mut self, block: Vec<u8>) -> Result<Option<Vec<u8>>> {
        if let Some(delimiter) = self.delimiter {
            let end = last_record_end(&block, delimiter).unwrap_or(0);
            let mut open = None;
            record_end(&block[end..], 0, delimiter, &mut open);
            if let Some(open) = open {
                return Err(self.endless(&block, Some(end + open)));
            }
        }
        self.passed += block.len() as u64;
        Ok((!block.is_empty()).then_some(block))
    }

    fn cut(&self, block: &[u8]) -> Result<usize, Option<usize>> {
        match self.delimiter {
            Some(delimiter) => last_record_end(block, delimiter),
            None => memchr::memrchr(b'\n', block).map(|place| place + 1).ok_or(None),
        }
    }

    fn endless(&self, block: &[u8], open: Option<usize>) -> crate::Error {
        let Some(open) = open else {
            let reason =
                format!("a record of more than {} MiB begins at byte {}", LONGEST_RECORD >> 20, self.passed);
            return malformed(&self.source.path, reason, "Break the file into lines, one record each");
        };
        let end = block.len().min(open + 40);
        let text = String::from_utf8_lossy(&block[open..end]);
        let place = self.passed + open as u64;
        let reason = format!("the quote at byte {place} is never closed: {text:?}");
        malformed(&self.source.path, reason, "Close it, or double quotes that are part of a field")
    }

    /// Appends up to `more` bytes; 0 at the end of the stream.
    fn fill(&mut self, block: &mut Vec<u8>, more: usize) -> Result<usize> {
        let mut stream = self.stream.as_mut().take(more as u64);
        stream.read_to_end(block).map_err(|e| self.source.read_error(e))
    }
}
