//! What a channel gives to who reads it: pages for streams, and the opening of a hub.

use ssedge::limits::HUBS;
use ssedge::log::{EntryId, Subscribe};
use ssedge::time::UnixMillis;
use worker::{Response, Result, WebSocketPair};

use super::{Channel, Kept};
use crate::fan_out::tag;
use crate::frame::{message, pack};
use crate::link::{OpenHead, PageHead, set_head};

impl Channel {
    /// What is pending is in the log already: with it sent, what a reader gets ends where a frame of the hubs ends.
    pub(super) fn page(&self, kept: &Kept, subscribe: &Subscribe, now: UnixMillis) -> Result<Response> {
        self.fan_out.flush(&self.state, now);
        let page = kept.channel.page(subscribe, now)?;
        let body = page.batch.as_ref().map_or_else(Vec::new, pack);
        let mut response = Response::from_bytes(body)?;
        let end = page.batch.and_then(|batch| batch.end);
        set_head(&mut response, &PageHead { start: page.start, more: page.more, end })?;
        Ok(response)
    }

    /// The same for a hub: with what is pending sent to the others, it goes on where the newest entry ends.
    pub(super) fn open(&self, kept: &Kept, after: Option<EntryId>, now: UnixMillis) -> Result<Response> {
        self.fan_out.flush(&self.state, now);
        let tag = tag();
        if self.state.get_websockets_with_tag(&tag).len() >= HUBS {
            let mut response = Response::empty()?;
            set_head(&mut response, &OpenHead::Full)?;
            return Ok(response);
        }
        let opening = kept.channel.open(after, now)?;
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        self.state.accept_websocket_with_tags(&server, &[&tag]);
        if let Some(news) = &opening.news {
            server.as_ref().send_with_array_buffer(&message(news, false).buffer())?;
        }
        let mut response = Response::from_websocket(client)?;
        set_head(
            &mut response,
            &OpenHead::Open { extent: opening.extent, has_news: opening.news.is_some() },
        )?;
        Ok(response)
    }
}
