//! Listings, page by page: memory holds one page, however long the listing.

use cofi_proto::pb::v1 as pb;

use super::{Client, ClientError};
use crate::view::{Agent, AnyBatch, AuditEntry, Call, Recording, Token};

/// The largest page that a controller gives.
const PAGE_ITEMS: u64 = 1_000;

/// Something that can be listed.
pub(crate) trait Query {
    type Item;

    /// Fetches at most `size` items that follow the page that gave `token`.
    async fn page(&self, client: &Client, size: i32, token: String) -> Result<Page<Self::Item>, ClientError>;
}

/// Some items in order, and how to get at the next ones.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Empty on the last page.
    next_token: String,
}

/// All batches, newest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchQuery;

/// Recordings of a batch in the order of its manifest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordingQuery {
    pub(crate) batch_id: i64,
    pub(crate) filter: Option<RecordingFilter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RecordingFilter {
    /// Not placed yet
    Planned,
    /// On a host
    Stored,
    /// On a host, language not known yet
    LidPending,
    Identified,
    /// Could not be placed, or not be identified
    Failed,
    Cancelled,
}

/// Calls of a batch by id.
#[derive(Debug, Clone)]
pub(crate) struct CallQuery {
    pub(crate) batch_id: i64,
    pub(crate) status: Option<String>,
    pub(crate) lid: LidFilter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LidFilter {
    /// Language known
    Done,
    /// Language not known yet
    Pending,
    Any,
}

/// Agents by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AgentQuery;

/// Tokens, newest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenQuery {
    /// Also those that let nobody in any more.
    pub(crate) all: bool,
}

/// What was done and what was refused, newest first.
#[derive(Debug, Clone)]
pub(crate) struct AuditQuery {
    pub(crate) actor: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) denied_only: bool,
}

/// Walks through a listing.
#[derive(Debug)]
pub(crate) struct Pages<'a, Q> {
    client: &'a Client,
    query: Q,
    /// How many items may still be given.
    left: Option<u64>,
    /// Of the next page; none once there is no next page.
    token: Option<String>,
}

impl<'a, Q: Query> Pages<'a, Q> {
    pub(super) fn new(client: &'a Client, query: Q, limit: Option<u64>) -> Self {
        Self { client, query, left: limit, token: Some(String::new()) }
    }

    /// The next page, or none when the listing or its limit is exhausted.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Q::Item>>, ClientError> {
        let size = self.left.map_or(PAGE_ITEMS, |left| left.min(PAGE_ITEMS));
        if size == 0 {
            return Ok(None);
        }
        let Some(token) = self.token.take() else { return Ok(None) };
        let page = self.query.page(self.client, i32::try_from(size).unwrap_or(i32::MAX), token).await?;
        if !page.next_token.is_empty() {
            self.token = Some(page.next_token);
        }
        let given = u64::try_from(page.items.len()).unwrap_or(u64::MAX);
        self.left = self.left.map(|left| left.saturating_sub(given));
        Ok(Some(page.items))
    }

    /// Whether the limit left something out.
    pub(crate) fn has_more(&self) -> bool {
        self.token.is_some()
    }

    /// The rest of the listing at once, for listings that are known to be
    /// short.
    pub(crate) async fn collect(mut self) -> Result<Vec<Q::Item>, ClientError> {
        let mut all = Vec::new();
        while let Some(items) = self.next().await? {
            all.extend(items);
        }
        Ok(all)
    }
}

impl Query for BatchQuery {
    type Item = AnyBatch;

    async fn page(
        &self,
        client: &Client,
        page_size: i32,
        page_token: String,
    ) -> Result<Page<AnyBatch>, ClientError> {
        let request = pb::ListBatchesRequest { page_size, page_token };
        let answer =
            client.call(request, async |request| client.batches().list_batches(request).await).await?;
        Page::read(answer.batches, answer.next_page_token)
    }
}

impl Query for RecordingQuery {
    type Item = Recording;

    async fn page(
        &self,
        client: &Client,
        page_size: i32,
        page_token: String,
    ) -> Result<Page<Recording>, ClientError> {
        let filter = self.filter.map_or(pb::RecordingFilter::Unspecified, Into::into).into();
        let request = pb::ListRecordingsRequest { batch_id: self.batch_id, filter, page_size, page_token };
        let answer =
            client.call(request, async |request| client.batches().list_recordings(request).await).await?;
        Page::read(answer.recordings, answer.next_page_token)
    }
}

impl Query for CallQuery {
    type Item = Call;

    async fn page(
        &self,
        client: &Client,
        page_size: i32,
        page_token: String,
    ) -> Result<Page<Call>, ClientError> {
        let request = pb::ListCallsRequest {
            batch_id: self.batch_id,
            status: self.status.clone().unwrap_or_default(),
            lid: pb::LidFilter::from(self.lid).into(),
            page_size,
            page_token,
        };
        let answer = client.call(request, async |request| client.calls().list_calls(request).await).await?;
        Page::read(answer.calls, answer.next_page_token)
    }
}

impl Query for AgentQuery {
    type Item = Agent;

    async fn page(
        &self,
        client: &Client,
        page_size: i32,
        page_token: String,
    ) -> Result<Page<Agent>, ClientError> {
        let request = pb::ListAgentsRequest { page_size, page_token };
        let answer = client.call(request, async |request| client.fleet().list_agents(request).await).await?;
        Page::read(answer.agents, answer.next_page_token)
    }
}

impl Query for TokenQuery {
    type Item = Token;

    async fn page(
        &self,
        client: &Client,
        page_size: i32,
        page_token: String,
    ) -> Result<Page<Token>, ClientError> {
        let request = pb::ListTokensRequest { page_size, page_token, all: self.all };
        let answer = client.call(request, async |request| client.access().list_tokens(request).await).await?;
        Page::read(answer.tokens, answer.next_page_token)
    }
}

impl Query for AuditQuery {
    type Item = AuditEntry;

    async fn page(
        &self,
        client: &Client,
        page_size: i32,
        page_token: String,
    ) -> Result<Page<AuditEntry>, ClientError> {
        let request = pb::ListAuditRequest {
            page_size,
            page_token,
            actor: self.actor.clone().unwrap_or_default(),
            target: self.target.clone().unwrap_or_default(),
            denied_only: self.denied_only,
        };
        let answer = client.call(request, async |request| client.access().list_audit(request).await).await?;
        Page::read(answer.entries, answer.next_page_token)
    }
}

impl<T> Page<T> {
    fn read<P>(items: Vec<P>, next_token: String) -> Result<Self, ClientError>
    where
        T: TryFrom<P>,
        ClientError: From<T::Error>,
    {
        let items = items.into_iter().map(T::try_from).collect::<Result<_, _>>()?;
        Ok(Self { items, next_token })
    }
}

impl From<RecordingFilter> for pb::RecordingFilter {
    fn from(filter: RecordingFilter) -> Self {
        match filter {
            RecordingFilter::Planned => Self::Planned,
            RecordingFilter::Stored => Self::Stored,
            RecordingFilter::LidPending => Self::LidPending,
            RecordingFilter::Identified => Self::Identified,
            RecordingFilter::Failed => Self::Failed,
            RecordingFilter::Cancelled => Self::Cancelled,
        }
    }
}

impl From<LidFilter> for pb::LidFilter {
    fn from(filter: LidFilter) -> Self {
        match filter {
            LidFilter::Done => Self::Done,
            LidFilter::Pending => Self::Pending,
            LidFilter::Any => Self::Unspecified,
        }
    }
}
