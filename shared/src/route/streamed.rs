//! A post whose body is appended as it arrives.

use bytes::Bytes;
use http::Response;

use super::Append;
use crate::feeds::Pieces;
use crate::limits::{GATHER_BYTES, POST_STREAM_BYTES};
use crate::log::{Draft, EndReason, EntryId};
use crate::problem::Problem;
use crate::store::{Post, Receipt, Stored, Terms};

/// What is stored of a body that comes in chunks. A host feeds it, and stores the posts that it gives, one after the other.
pub struct Streamed<'a> {
    append: &'a Append<'a>,
    pieces: Box<dyn Pieces>,
    /// Of all posts together: the first one has the precondition, the last one the end.
    terms: Terms,
    /// Bytes of the body, and of it what was read since a post was taken.
    bytes: usize,
    gathered: usize,
    first: Option<EntryId>,
    last: EntryId,
    count: usize,
}

impl<'a> Streamed<'a> {
    pub(super) fn new(append: &'a Append<'a>, pieces: Box<dyn Pieces>, terms: Terms) -> Self {
        let (first, last) = (None, EntryId::BEGINNING);
        Self { append, pieces, terms, bytes: 0, gathered: 0, first, last, count: 0 }
    }

    /// Reads a chunk.
    ///
    /// # Errors
    /// The [`Problem`] to answer with. What came before it can still be taken.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        self.bytes += chunk.len();
        self.gathered += chunk.len();
        if self.bytes > POST_STREAM_BYTES {
            return Err(Problem::too_large(POST_STREAM_BYTES));
        }
        self.pieces.push(chunk)
    }

    /// Whether so much is gathered that it is to be stored, whatever else comes.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.gathered >= GATHER_BYTES
    }

    /// What is to be stored now, if there is anything.
    ///
    /// # Errors
    /// [`Problem::Forbidden`] if no grant covers it.
    pub fn take(&mut self) -> Result<Option<Post>, Problem> {
        self.gathered = 0;
        let drafts = self.pieces.take();
        if drafts.is_empty() { Ok(None) } else { self.post(drafts, None).map(Some) }
    }

    /// What is to be stored at last, once the body has ended and all else is taken: the rest of it, and the end of the channel
    /// if that was wished. A body that broke off ends it by another reason.
    ///
    /// # Errors
    /// The [`Problem`] to answer with.
    pub fn end(&mut self, is_whole: bool) -> Result<Option<Post>, Problem> {
        if is_whole {
            self.pieces.end()?;
        }
        let close = self.terms.close.take().map(|reason| if is_whole { reason } else { EndReason::BROKEN });
        let drafts = if is_whole { self.pieces.take() } else { Vec::new() };
        let says_nothing =
            drafts.is_empty() && close.is_none() && (self.count > 0 || self.terms.lease.is_none());
        if says_nothing { Ok(None) } else { self.post(drafts, close).map(Some) }
    }

    fn post(&mut self, drafts: Vec<Draft>, close: Option<EndReason>) -> Result<Post, Problem> {
        let Terms { lease, .. } = self.terms;
        let (only_if, keep) = (self.terms.only_if.take(), self.terms.keep.take());
        self.append.of(drafts, Terms { only_if, close, lease, keep })
    }

    /// A post of this many entries was answered so.
    ///
    /// # Errors
    /// The [`Problem`] to answer with: nothing more is to be stored.
    pub fn stored(&mut self, count: usize, receipt: Receipt) -> Result<(), Problem> {
        match receipt {
            Receipt::Stored(Stored { last, .. }) | Receipt::Begun(Stored { last, .. }) => {
                let before = last.back(count as u64);
                self.first = self.first.or((count > 0).then(|| before.next()));
                (self.last, self.count) = (last, self.count + count);
                Ok(())
            }
            refusal => self.append.response(refusal).map(drop),
        }
    }

    /// The answer to its sender.
    ///
    /// # Errors
    /// None that were not told before.
    pub fn response(self) -> Result<Response<Bytes>, Problem> {
        let Self { append, first, last, count, .. } = self;
        append.response(Receipt::Stored(Stored::row(first, last, count)))
    }
}
