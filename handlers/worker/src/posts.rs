//! Posts on their way to their channel: whole, or as they come.

use bytes::Bytes;
use http::Response;
use ssedge::problem::Problem;
use ssedge::route::{Append, Streamed};
use ssedge::store::{Post, Receipt};
use web_sys::Request;

use crate::link::{Link, Question};
use crate::reply::{self, Gathered};
use crate::{admission, host, hubs};

/// What somebody posts to one channel.
pub struct Posts<'a> {
    pub link: Link,
    pub append: &'a Append<'a>,
}

impl Posts<'_> {
    pub async fn store(&self, post: Post) -> Result<Receipt, Problem> {
        let Append { channel, sender, .. } = self.append;
        let beginning = self.append.beginning_rate();
        let wait = admission::count_channel(sender, beginning, host::now());
        let receipt = self.link.ask(&Question::Append(post, wait)).await?;
        if let Receipt::Begun(stored) | Receipt::Stored(stored) | Receipt::Replayed(stored) = &receipt {
            hubs::heard_of(channel, stored.last);
        }
        if wait.is_none() && !matches!(receipt, Receipt::Begun(_)) {
            admission::discount_channel(sender, beginning);
        }
        Ok(receipt)
    }

    /// Stores a body as it arrives. While the channel is slow no more of it is read, so its sender waits.
    pub async fn store_as_it_comes(
        &self,
        request: &Request,
        mut streamed: Streamed<'_>,
    ) -> Result<Response<Bytes>, Problem> {
        let Some(mut body) = reply::stream(request) else { return streamed.response() };
        let end = loop {
            let gathered = reply::gather(&mut body, &mut streamed).await;
            while let Some(post) = streamed.take()? {
                self.store_piece(&mut streamed, post).await?;
            }
            if !matches!(gathered, Gathered::More) {
                break gathered;
            }
        };
        if let Some(post) = streamed.end(matches!(end, Gathered::Whole))? {
            self.store_piece(&mut streamed, post).await?;
        }
        if let Gathered::Bad(problem) = end {
            reply::discard(body).await;
            return Err(problem);
        }
        streamed.response()
    }

    async fn store_piece(&self, streamed: &mut Streamed<'_>, post: Post) -> Result<(), Problem> {
        let count = post.drafts.len();
        streamed.stored(count, self.store(post).await?)
    }
}
