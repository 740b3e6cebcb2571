//! Every bound of ssedge, with its unit and its reason.
//!
//! What a deployment may choose stands in [`crate::settings`]; the ranges of those choices stand here. The bounds of one feed
//! stand in its folder.

use std::ops::RangeInclusive;
use std::time::Duration;

// --- Requests ---

/// Bytes of a request body. The longest chat message fits however its JSON is escaped (2,000 emoji as
/// `\ud83d\ude00` are 24 KB), and it is small enough to hold for every sender.
pub const BODY_BYTES: usize = 32 * 1024;
/// Bytes that are still taken of a request that is refused, and thrown away: a client that is cut off while it sends
/// may never see the answer ([RFC 9112, section 9.6](https://www.rfc-editor.org/rfc/rfc9112#section-9.6)). Enough for
/// whoever posts a document by mistake.
pub const REFUSED_BODY_BYTES: usize = 1024 * 1024;
/// How long that may take: a client that waits for the answer before it sends is not to wait for long.
pub const REFUSED_BODY_PATIENCE: Duration = Duration::from_secs(1);
/// Characters of a path, query or header value that a problem repeats to its sender.
pub const ECHO_CHARS: usize = 64;
/// Seconds a browser may remember a preflight: the longest that Chromium honours.
pub const PREFLIGHT_SECS: u32 = 7_200;
/// Bytes of a token: what a header line may have on most servers, and several hundred grants.
pub const TOKEN_BYTES: usize = 8 * 1024;
/// How far the clock of who makes tokens may differ from this one's.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(30);
/// Days ahead at which a token may expire: more than a year, and far less than any time in milliseconds that is read as
/// seconds. Such a token would never end.
pub const TOKEN_DAYS: u64 = 400;
/// The same.
pub const TOKEN_LIFE: Duration = Duration::from_secs(TOKEN_DAYS * 24 * 60 * 60);
/// Characters of an `Idempotency-Key`: a UUID has 36.
pub const IDEMPOTENCY_KEY_CHARS: usize = 64;
/// How long a key is remembered: longer than any client goes on trying.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(600);
/// How long the claim to a key stands: what is stored by it is younger than the claim by as long as others may be ahead
/// of its writer.
pub const CLAIM_WINDOW: Duration = IDEMPOTENCY_WINDOW.saturating_add(CHANNEL_TIMEOUT);
/// Seconds after which a client may try again when the storage did not answer.
pub const UNAVAILABLE_RETRY_SECS: u32 = 2;

/// Entries of one post to a channel of one's own. A line of a log is rarely shorter than a hundred bytes.
pub const POST_ENTRIES: usize = 500;
/// Bytes of one entry of a channel of one's own: what a page can well hold in a list of many.
pub const ENTRY_BYTES: usize = 16 * 1024;
/// Bytes of one post to a channel of one's own, and of each piece of one that comes as a stream.
pub const POST_BYTES: usize = 64 * 1024;
/// Bytes of a post that comes as a stream: a long answer of a language model a hundred times over.
pub const POST_STREAM_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of a body that comes as a stream after which what has come is stored: some hundred words of a language model.
pub const GATHER_BYTES: usize = 16 * 1024;
/// How long what has come waits for more: what a reader does not notice, and a write for many words.
pub const GATHER: Duration = Duration::from_millis(40);

// --- Channels ---

/// Characters of a channel's name, that of its feed included: what a URL and a line of a log hold with ease.
pub const CHANNEL_NAME_CHARS: usize = 256;
/// Characters of the reason for which a channel was closed: a word or two.
pub const END_REASON_CHARS: usize = 32;
/// Greatest id: the greatest integer that a JavaScript client holds exactly.
pub const ID_MAX: u64 = (1 << 53) - 1;
/// Bytes of one page of replay. A reader that catches up holds at most one page more than [`BACKLOG_BYTES`].
pub const PAGE_BYTES: usize = 64 * 1024;
/// Entries in one snapshot after a cursor; what is left is told by `"more":true`.
pub const SNAPSHOT_ENTRIES: u32 = 200;
/// The same of a channel of one's own, whose entries are shorter.
pub const SNAPSHOT_DATA: usize = 500;
/// Bytes of the entries of one such snapshot: what an isolate holds for each of many readers.
pub const SNAPSHOT_BYTES: usize = 256 * 1024;

/// Longest time that a channel may take to answer a request.
pub const CHANNEL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a Durable Object stays in memory while nothing happens, at least: what it remembers is forgotten later.
pub const OBJECT_MEMORY: Duration = Duration::from_secs(10);
/// New channels that a sender without a token's `sub` may begin in [`NEW_CHANNELS_SPAN`]. Each costs a database or
/// items of a table, and is kept for HISTORY_SECS; behind one address may be an office, of which few begin a room.
pub const NEW_CHANNELS: u64 = 300;
/// New channels that one with a `sub` may begin in it. That may be a backend which opens a room for each of its users.
pub const NEW_CHANNELS_OF_SUB: u64 = 30_000;
/// The time in which they are counted.
pub const NEW_CHANNELS_SPAN: Duration = Duration::from_secs(3_600);
/// Senders whose new channels an isolate counts; of more, those are forgotten that began the fewest. About 1 MB.
pub const BEGINNERS: usize = 10_000;
/// Senders whose buckets an object holds; of more, those are forgotten that are the fullest.
pub const BUCKETS: usize = 1_024;
/// Keys of which an object holds the last value in memory, so that a post to them asks the storage for nothing: all symbols
/// of a busy exchange. With more, all are forgotten and read anew. About 100 KB.
pub const VALUES: usize = 1_024;
/// What part of HISTORY_MAX an object stores beyond it before it deletes what is no longer kept: so a post deletes nothing,
/// but for one in so many.
pub const SURPLUS_SHARE: u64 = 8;
/// And that in entries: enough that it is rare, and few enough that it takes some milliseconds.
pub const SURPLUS: RangeInclusive<u64> = 32..=1_024;
/// How long an object whose entries have all expired remembers its last id: longer than a reader that was cut off takes
/// to come back to it. After that the object is empty, as a table is after [`TABLE_GRACE`].
pub const OBJECT_GRACE: Duration = TABLE_GRACE;
/// Longest time that an entry waits for others, and how long a channel counts as lively after it has sent something: what a
/// person does not notice.
pub const COALESCE_MAX: Duration = Duration::from_millis(100);
/// Hubs of a channel, each with one socket: a Durable Object takes 32,768.
pub const HUBS: usize = 32_000;
/// How long a stream may take to open the connection of its hub, until another one does: longer than the channel may take to
/// answer.
pub const HUB_OPENING: Duration = CHANNEL_TIMEOUT.saturating_add(Duration::from_secs(5));
/// Bytes of the newest entries that a hub gets as it opens: some hundred short messages, so that a crowd that comes back after
/// a cut finds what it has missed.
pub const HUB_PAGE_BYTES: usize = PAGE_BYTES / 4;
/// Bytes that all hubs of an isolate keep together, each of them at most [`PAGE_BYTES`].
pub const HUBS_BYTES: usize = 16 * 1024 * 1024;
/// Batches that one stream hands to others until another stream does. The platform charges the request of that stream, which
/// may use 30 s of CPU by default, and a delivery takes less than 0.1 ms.
pub const HUB_DELIVERIES: u32 = 100_000;

/// Entries that a table is asked for at once. With long messages the platform's own bound of 1 MB is below it.
pub const QUERY_ENTRIES: u32 = 256;
/// First and longest pause of a writer that another one was ahead of (full jitter). A put takes about 5 ms.
pub const APPEND_RETRY_MS: RangeInclusive<u64> = 10..=250;
/// How long a writer whose key another one has claimed waits for that one to store: many times what it takes, and less
/// than a client waits that was told to try again.
pub const IDEMPOTENCY_PATIENCE: Duration = Duration::from_millis(900);
/// Longest time that a stream waits for being counted. A slow table must not refuse it.
pub const ADMISSION_TIMEOUT: Duration = Duration::from_secs(2);
/// Seconds that an invocation lives at most, and with it a stream that has no other end.
pub const INVOCATION_SECS: u64 = 900;
/// How long a channel counts as lively after an entry: its readers ask at the shortest interval.
pub const LIVELY: Duration = Duration::from_secs(5);
/// How long a table keeps an entry after it has expired: longer than any writer may stop between reading what the
/// last id is and writing the next one, and longer than clocks differ.
pub const TABLE_GRACE: Duration = Duration::from_secs(3_600);
/// How long after it has expired the newest item of a channel is sure to be the newest that there ever was. A table frees
/// in any order what is older than [`TABLE_GRACE`], and clocks differ: half of it.
pub const TABLE_MEMORY: Duration = Duration::from_secs(1_800);

// --- Streams ---

/// Bytes that a stream may hold for a reader that does not take them. A Worker isolate has 128 MB for all of its
/// streams, so some hundred readers may stand still in it at once.
pub const BACKLOG_BYTES: usize = 256 * 1024;
/// Bytes of backlog below which a reader that fell behind is served again.
pub const BACKLOG_LOW_BYTES: usize = 32 * 1024;
/// Bytes that wait for all readers of an isolate of Cloudflare together: a quarter of its memory of 128 MB. While there
/// are more, nobody is let in, and a reader must have taken all that it was sent before it is sent more.
pub const ISOLATE_BYTES: usize = 32 * 1024 * 1024;
/// The same for the readers of one sender, so that nobody alone can fill an isolate.
pub const SENDER_BYTES: usize = ISOLATE_BYTES / 4;
/// How long a reader may take nothing at all of what waits for it while it catches up, or after its stream has ended. A
/// phone that changes its network is back sooner.
pub const STANDSTILL: Duration = Duration::from_secs(60);
/// How long a filter may hold entries back before the reader is told the new cursor. Far below the shortest
/// useful HISTORY_SECS, so that a quiet filter does not age into a gap.
pub const FILTER_CURSOR: Duration = Duration::from_secs(30);
/// Milliseconds until the client comes back after a planned end: at once, but not all in one wave.
pub const ROTATE_RETRY_MS: RangeInclusive<u64> = 100..=1_000;
/// Milliseconds until the client comes back when the deployment is full.
pub const OVERLOAD_RETRY_MS: RangeInclusive<u64> = 10_000..=30_000;
/// How far the clocks of two instances may differ before a cursor of the market is from the future.
pub const CLOCK_SKEW: Duration = Duration::from_secs(2);
/// A stream ends this long before its host does, so that its last event leaves whole.
pub const DEADLINE_MARGIN: Duration = Duration::from_secs(3);
/// Unix milliseconds (September 2001) below which a deadline that a host tells means that it knows none.
pub const DEADLINE_KNOWN_MS: u64 = 1_000_000_000_000;
/// First and longest pause before a lost channel is asked again (full jitter).
pub const RESUBSCRIBE_MS: RangeInclusive<u64> = 100..=5_000;
/// How long a lost channel is tried, in milliseconds, before the stream ends by plan and its reader begins anew: longer
/// than a deployment takes. Drawn for each stream, so that they do not come back in one wave.
pub const CHANNEL_PATIENCE_MS: RangeInclusive<u64> = 60_000..=75_000;
/// How often one stream asks its channel, for whatever reason, before it ends by plan. On the free plan of Cloudflare a
/// request may ask 50 times, and after that it could not come back to its channel.
pub const STREAM_QUESTIONS: u32 = 40;

// --- Feeds ---

/// Milliseconds between two ticks, and between two quotes of a symbol.
pub const INTERVAL_MS: RangeInclusive<u64> = 250..=60_000;
/// Milliseconds between two ticks if the reader does not say.
pub const INTERVAL_DEFAULT_MS: u64 = 1_000;

// --- The wire format ---

/// Characters of an event name. Names are for `addEventListener`, so an identifier's length is plenty, and a
/// name is repeated on the wire with every event.
pub const EVENT_NAME_CHARS: usize = 64;

/// Bytes of one event that a [`Decoder`](crate::sse::Decoder) holds before it gives up: the line being read and
/// the data before it. A server that never ends a line or an event must not fill the client's memory; the
/// events of ssedge itself come from bodies of at most [`BODY_BYTES`].
pub const DECODED_EVENT_BYTES: usize = 1 << 20;

// --- Settings ---

/// HEARTBEAT_SECS. A proxy that cuts silent connections rarely waits less than a minute.
pub const HEARTBEAT_SECS: RangeInclusive<u64> = 1..=60;
/// RETRY_MS: up to ten minutes.
pub const RETRY_MS: RangeInclusive<u64> = 10..=600_000;
/// STREAM_SECS: up to a day; 0 means for ever.
pub const STREAM_SECS: RangeInclusive<u64> = 0..=86_400;
/// HISTORY_MAX: what a channel's storage holds many times over, also of the longest messages.
pub const HISTORY_MAX: RangeInclusive<u64> = 1..=100_000;
/// CHANNEL_ENTRIES: the same for a channel of one's own.
pub const CHANNEL_ENTRIES: RangeInclusive<u64> = 1..=100_000;
/// HISTORY_SECS: up to a year.
pub const HISTORY_SECS: RangeInclusive<u64> = 1..=31_536_000;
/// POST_RATE, posts per second; the greatest is as good as no limit.
pub const POST_RATE: RangeInclusive<u64> = 1..=1_000_000;
/// POST_BURST, posts at once; the greatest is as good as no limit.
pub const POST_BURST: RangeInclusive<u64> = 1..=1_000_000;
/// POLL_MIN_MS and POLL_MAX_MS. Below 20 ms the table is asked faster than it answers.
pub const POLL_MS: RangeInclusive<u64> = 20..=10_000;
/// TABLE_NAME: characters that DynamoDB takes.
pub const TABLE_NAME_CHARS: RangeInclusive<usize> = 3..=255;
/// STREAMS_PER_CHANNEL; more take more than an isolate's memory. 0 leaves only the platform's bound.
pub const STREAMS_PER_CHANNEL: RangeInclusive<u64> = 0..=32_000;
/// STREAMS_PER_SENDER; 0 switches the bound off. One address may be that of a whole office, and as many streams as the default
/// allows take less than half of an isolate's 128 MB while they are read.
pub const STREAMS_PER_SENDER: RangeInclusive<u64> = 0..=1_000_000;
/// Bytes of AUTH_SECRET and AUTH_SECRET_PREVIOUS: RFC 7518 § 3.2 wants a key at least as long as the hash.
pub const AUTH_SECRET_BYTES: usize = 32;
