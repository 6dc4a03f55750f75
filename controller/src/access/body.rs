//! Answers of calls that were admitted: they end with the token that they were
//! asked for with, and their calls with them.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use super::{calls::Call, tokens::Grant};

/// Comes true when a token is good no longer, with what its bearer is told.
type Ended = Pin<Box<dyn Future<Output = Status> + Send>>;

/// An answer for as long as a token is good, if it was asked for with one.
pub(super) struct Answer {
    body: tonic::body::Body,
    ended: Option<Ended>,
    over: bool,
    _call: Call,
}

impl Answer {
    pub(super) fn new(body: tonic::body::Body, grant: Option<Grant>, call: Call) -> Self {
        let ended = grant.map(|grant| -> Ended { Box::pin(ended(grant)) });
        Self { body, ended, over: false, _call: call }
    }
}

async fn ended(grant: Grant) -> Status {
    let expired = async {
        match grant.left {
            Some(left) => tokio::time::sleep(left).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = grant.revoked.cancelled() => Status::unauthenticated("token revoked"),
        () = expired => Status::unauthenticated("token expired"),
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(ended) = &mut self.ended
            && let Poll::Ready(status) = ended.as_mut().poll(context)
        {
            self.over = true;
            let mut trailers = HeaderMap::new();
            return Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))));
        }
        Poll::Ready(ready!(Pin::new(&mut self.body).poll_frame(context)))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
