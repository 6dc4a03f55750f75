//! The token that goes with every call.

use std::fmt;

use cofi_identity::token::AccessToken;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};
use zeroize::Zeroizing;

/// Puts `authorization: Bearer TOKEN` into each call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    pub(super) fn new(token: &AccessToken) -> Self {
        let text = Zeroizing::new(format!("Bearer {}", *token.to_text()));
        // A token is of letters, digits, dots and dashes.
        let mut value = MetadataValue::try_from(text.as_str()).unwrap_or(MetadataValue::from_static(""));
        // Neither logged nor kept in the table of headers that both ends share.
        value.set_sensitive(true);
        Self(value)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

#[cfg(test)]
mod tests {
    use cofi_identity::token::Role;

    use super::*;

    #[test]
    fn a_call_carries_the_token_and_nothing_shows_it() {
        let token = AccessToken::generate(Role::Viewer).unwrap();
        let mut bearer = Bearer::new(&token);
        let request = bearer.call(Request::new(())).unwrap();
        let header = request.metadata().get("authorization").unwrap();
        assert!(header.is_sensitive());
        let carried = AccessToken::from_authorization(header.as_bytes()).unwrap();
        assert_eq!(carried.hash(), token.hash());
        let text = token.to_text();
        let secret = text.rsplit('.').next().unwrap();
        let shown = format!("{bearer:?} {request:?}");
        assert!(!shown.contains(secret), "{shown}");
    }
}
