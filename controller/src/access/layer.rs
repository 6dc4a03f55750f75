//! The guard as a layer around all services of a listener.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{Guard, body::Answer, guard::Admitted};
use crate::door::Peer;

/// Puts a guard in front of services.
#[derive(Debug, Clone)]
pub(crate) struct GuardLayer(pub(crate) Guard);

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.0.clone(), inner }
    }
}

/// Services behind a guard.
#[derive(Debug, Clone)]
pub(crate) struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let judged = match request.extensions().get::<Peer>() {
            Some(peer) => self.guard.judge(peer, request.uri().path(), request.headers()),
            // Nobody comes in past the door.
            None => Err(Status::internal("a connection without a peer")),
        };
        match judged {
            Ok(admitted) => {
                request.extensions_mut().insert(admitted.caller.clone());
                let answer = self.inner.call(request);
                Box::pin(async move {
                    let Admitted { grant, call, .. } = admitted;
                    Ok(answer.await?.map(|body| Body::new(Answer::new(body, grant, call))))
                })
            }
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
        }
    }
}
