//! Records and fields of delimited text (RFC 4180 with the usual licence).
//!
//! - A record without quotes is split by looking for delimiters alone; one with quotes goes through `csv-core`.
//!   Both ways are one grammar, and a property test holds them to it.
//! - A quote is special only at the start of a field; a lone CR ends a record as LF and CRLF do; blank lines are
//!   no records.
//! - Fields are spans into one buffer. The text of a field that had to be unescaped is appended to that buffer, so
//!   a field costs 8 bytes and no allocation.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::{memchr, memchr_iter, memchr2};

/// Delimiters that a header line is searched for, in order of preference at equal counts.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// The byte order mark of UTF-8.
pub(super) const BOM: &[u8] = &[0xef, 0xbb, 0xbf];

/// A field's place in the buffer of its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    /// A span of a buffer that is never larger than 4 GiB (chunks are a few MiB, a record at most 64 MiB).
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, len: (end - start) as u32 }
    }

    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.start as usize;
        &bytes[start..start + self.len as usize]
    }
}

/// The delimiter that occurs most often in a header line outside quotes; a comma if none does.
pub(super) fn sniff_delimiter(header: &[u8]) -> u8 {
    let mut counts = [0usize; DELIMITERS.len()];
    let mut quoted = false;
    for &byte in header {
        if byte == b'"' {
            quoted = !quoted;
        } else if !quoted && let Some(place) = DELIMITERS.iter().position(|&d| d == byte) {
            counts[place] += 1;
        }
    }
    let best = (0..DELIMITERS.len()).rev().max_by_key(|&place| counts[place]).unwrap_or(0);
    DELIMITERS[best]
}

/// The name of a column as it is written in a header: trimmed, and without RecBole's `:type`.
pub(super) fn header_name(field: &str) -> String {
    const RECBOLE_TYPES: [&str; 4] = ["token", "token_seq", "float", "float_seq"];
    let field = field.trim();
    match field.rsplit_once(':') {
        Some((name, kind)) if RECBOLE_TYPES.contains(&kind) => name.to_owned(),
        _ => field.to_owned(),
    }
}

/// Splits a buffer into records and fields.
pub(super) struct Tokenizer {
    delimiter: u8,
    core: Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
}

impl Tokenizer {
    pub(super) fn new(delimiter: u8) -> Self {
        let core = ReaderBuilder::new().delimiter(delimiter).build();
        Self { delimiter, core, output: vec![0; 1024], ends: vec![0; 64] }
    }

    /// Reads the record that starts at `from` in `bytes[..limit]` into `fields` and returns where the next one
    /// starts; `None` when no record is left. Unescaped text is appended to `bytes`.
    pub(super) fn record(
        &mut self,
        bytes: &mut Vec<u8>,
        limit: usize,
        from: usize,
        fields: &mut Vec<Span>,
    ) -> Option<usize> {
        fields.clear();
        let from = skip_blank_lines(&bytes[..limit], from)?;
        let line_end = memchr(b'\n', &bytes[from..limit]).map_or(limit, |found| from + found);
        let text_end = if bytes[from..line_end].ends_with(b"\r") { line_end - 1 } else { line_end };
        if memchr2(b'"', b'\r', &bytes[from..text_end]).is_some() {
            return Some(self.quoted_record(bytes, limit, from, fields));
        }
        let mut start = from;
        for found in memchr_iter(self.delimiter, &bytes[from..text_end]) {
            fields.push(Span::new(start, from + found));
            start = from + found + 1;
        }
        fields.push(Span::new(start, text_end));
        Some((line_end + 1).min(limit))
    }

    fn quoted_record(
        &mut self,
        bytes: &mut Vec<u8>,
        limit: usize,
        from: usize,
        fields: &mut Vec<Span>,
    ) -> usize {
        self.core.reset();
        let (mut read, mut written, mut ended) = (from, 0, 0);
        loop {
            let (result, n_in, n_out, n_ends) = self.core.read_record(
                &bytes[read..limit],
                &mut self.output[written..],
                &mut self.ends[ended..],
            );
            (read, written, ended) = (read + n_in, written + n_out, ended + n_ends);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        let base = bytes.len();
        bytes.extend_from_slice(&self.output[..written]);
        let mut start = 0;
        for &end in &self.ends[..ended] {
            fields.push(Span::new(base + start, base + end));
            start = end;
        }
        // The core leaves the LF of a CRLF for the next call, where it would look like a blank line.
        if bytes[..limit].get(read) == Some(&b'\n') && read > from && bytes[read - 1] == b'\r' {
            read += 1;
        }
        read
    }
}

fn skip_blank_lines(bytes: &[u8], from: usize) -> Option<usize> {
    let blank = bytes.get(from..)?.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    (from + blank < bytes.len()).then_some(from + blank)
}

/// Where the record that starts at `from` ends (after its line break), or `None` if the buffer ends before it
/// does. `at_quote` tells the two reasons apart: it holds the start of a quoted field that is not closed.
pub(super) fn record_end(
    bytes: &[u8],
    from: usize,
    delimiter: u8,
    at_quote: &mut Option<usize>,
) -> Option<usize> {
    *at_quote = None;
    let mut place = from;
    loop {
        // At the start of a field.
        if bytes.get(place) == Some(&b'"') {
            let open = place;
            place = match after_closing_quote(bytes, place + 1) {
                Some(place) => place,
                None => {
                    *at_quote = Some(open);
                    return None;
                }
            };
        }
        let rest = bytes.get(place..)?;
        let found = memchr::memchr3(delimiter, b'\n', b'\r', rest)?;
        place += found + 1;
        if rest[found] != delimiter {
            return Some(place);
        }
    }
}

fn after_closing_quote(bytes: &[u8], mut place: usize) -> Option<usize> {
    loop {
        place += memchr(b'"', bytes.get(place..)?)? + 1;
        if bytes.get(place) != Some(&b'"') {
            return Some(place);
        }
        place += 1;
    }
}

/// The end of the last record that is complete in `bytes`, which starts at a record; `Err(place)` when no
/// record is: `place` is the quote that is not closed, if that is why.
pub(super) fn last_record_end(bytes: &[u8], delimiter: u8) -> Result<usize, Option<usize>> {
    if memchr(b'"', bytes).is_none() {
        return memchr::memrchr(b'\n', bytes).map(|place| place + 1).ok_or(None);
    }
    let (mut end, mut open) = (0, None);
    while let Some(next) = next_line_or_record(bytes, end, delimiter, &mut open) {
        end = next;
    }
    if end == 0 { Err(open) } else { Ok(end) }
}

/// As [`record_end`], with a short way past lines without quotes.
fn next_line_or_record(bytes: &[u8], from: usize, delimiter: u8, open: &mut Option<usize>) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let line = memchr(b'\n', rest).map(|found| found + 1);
    if memchr(b'"', &rest[..line.unwrap_or(rest.len())]).is_some() {
        return record_end(bytes, from, delimiter, open);
    }
    line.map(|line| from + line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ours(text: &[u8], delimiter: u8) -> Vec<Vec<Vec<u8>>> {
        let (mut bytes, mut fields, mut at) = (text.to_vec(), Vec::new(), 0);
        let mut tokenizer = Tokenizer::new(delimiter);
        let mut records = Vec::new();
        while let Some(next) = tokenizer.record(&mut bytes, text.len(), at, &mut fields) {
            records.push(fields.iter().map(|span| span.of(&bytes).to_vec()).collect());
            at = next;
        }
        records
    }

    fn reference(mut text: &[u8], delimiter: u8) -> Vec<Vec<Vec<u8>>> {
        let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
        let (mut output, mut ends) = (vec![0; 4096], vec![0; 4096]);
        let (mut records, mut written, mut ended) = (Vec::new(), 0, 0);
        loop {
            let (result, read, out, n) = reader.read_record(text, &mut output[written..], &mut ends[ended..]);
            (text, written, ended) = (&text[read..], written + out, ended + n);
            match result {
                ReadRecordResult::Record => {
                    let starts = std::iter::once(0).chain(ends[..ended].iter().copied());
                    let fields = starts.zip(&ends[..ended]).map(|(start, &end)| output[start..end].to_vec());
                    records.push(fields.collect());
                    (written, ended) = (0, 0);
                }
                ReadRecordResult::End => return records,
                _ => {}
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn both_ways_read_as_csv_core_reads_the_whole(text in "[ab,;\"\r\n]{0,40}") {
            let text = text.as_bytes();
            prop_assert_eq!(ours(text, b','), reference(text, b','));
        }

        #[test]
        fn a_cut_at_a_record_end_changes_no_record(text in "[ab,\"\n]{0,40}") {
            let text = text.as_bytes();
            if let Ok(cut) = last_record_end(text, b',') {
                let mut parts = ours(&text[..cut], b',');
                parts.extend(ours(&text[cut..], b','));
                prop_assert_eq!(parts, ours(text, b','));
            }
        }
    }

    #[test]
    fn the_delimiter_is_the_commonest_outside_quotes() {
        assert_eq!(sniff_delimiter(b"user_id;item_id;\"a,b,c,d\""), b';');
        assert_eq!(sniff_delimiter(b"user\titem\ttime"), b'\t');
        assert_eq!(sniff_delimiter(b"user_id"), b',');
    }

    #[test]
    fn an_open_quote_is_found() {
        assert_eq!(last_record_end(b"\"a,b\nc,d\n", b','), Err(Some(0)));
        assert_eq!(last_record_end(b"a,b", b','), Err(None));
    }
}
