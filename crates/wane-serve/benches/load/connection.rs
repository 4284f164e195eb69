//! One kept-alive connection with one request at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::tally::Failure;
use crate::traffic::Kind;

/// How long a connection may take to be made.
const PATIENCE: Duration = Duration::from_millis(250);
/// Headers of an answer at most.
const HEADERS: usize = 32;

/// A connection; requests and answers go over it in parts, as the socket takes and has them.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// What the request that is not answered yet is.
    pub(crate) asked: Option<Asked>,
    request: Vec<u8>,
    sent: usize,
    head: Vec<u8>,
    body: Option<Body>,
}

/// A request under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    pub(crate) due: Instant,
}

/// A whole answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    /// Whether the server closes the connection after it.
    pub(crate) is_last: bool,
}

/// An answer whose head has come.
struct Body {
    answer: Answer,
    left: usize,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, asked: None, request: Vec::new(), sent: 0, head: Vec::new(), body: None })
    }

    pub(crate) fn ask(&mut self, request: String, asked: Asked) -> Result<(), Failure> {
        (self.request, self.sent, self.asked) = (request.into_bytes(), 0, Some(asked));
        self.send()
    }

    /// Whether some of the request has still to go.
    pub(crate) fn is_sending(&self) -> bool {
        self.sent < self.request.len()
    }

    /// Sends as much as the socket takes.
    pub(crate) fn send(&mut self) -> Result<(), Failure> {
        while self.is_sending() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Failure::Broken),
            }
        }
        Ok(())
    }

    /// Takes what has come; the answer, when it is whole.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<Answer>, Failure> {
        let n = match self.stream.read(buffer) {
            Ok(0) => return Err(Failure::Broken),
            Ok(n) => n,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(None);
            }
            Err(_) => return Err(Failure::Broken),
        };
        if self.asked.is_none() {
            return Err(Failure::Unreadable);
        }
        let came = match &mut self.body {
            Some(_) => n,
            None => {
                self.head.extend_from_slice(&buffer[..n]);
                let Some((body, head)) = parsed(&self.head)? else { return Ok(None) };
                self.body = Some(body);
                self.head.len() - head
            }
        };
        let Some(body) = &mut self.body else { return Ok(None) };
        body.left = body.left.checked_sub(came).ok_or(Failure::Unreadable)?;
        if body.left > 0 {
            return Ok(None);
        }
        let answer = body.answer;
        (self.body, self.asked) = (None, None);
        self.head.clear();
        Ok(Some(answer))
    }
}

/// An answer's head, if it is whole, and its length.
fn parsed(bytes: &[u8]) -> Result<Option<(Body, usize)>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).map_err(|_| Failure::Unreadable)? else {
        return Ok(None);
    };
    let value = |name: &str| {
        let mut all = response.headers.iter();
        all.find(|header| header.name.eq_ignore_ascii_case(name))
            .and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = value("content-length").and_then(|length| length.trim().parse().ok());
    let (Some(left), Some(status)) = (length, response.code) else { return Err(Failure::Unreadable) };
    let is_last = value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some((Body { answer: Answer { status, bytes: left as u64, is_last }, left }, head)))
}
