//! Page tokens: where the next page begins, and which listing it belongs to.

use xxhash_rust::xxh3::xxh3_64;

use super::status::RpcError;

/// Most entries of a page.
const MAX_PAGE: i32 = 1_000;

/// A page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// Which listing it belongs to.
    scope: String,
    /// Entries on it.
    pub(super) size: i64,
    /// The last entry of the page before; empty for the first page.
    pub(super) after: String,
}

impl Page {
    /// Reads what a request says. `scope` names the listing with everything
    /// that decides about its entries.
    pub(super) fn read(scope: String, size: i32, usual: i32, token: &str) -> Result<Self, RpcError> {
        if !(0..=MAX_PAGE).contains(&size) {
            return Err(RpcError::field("page_size", format!("{size} is not between 0 and {MAX_PAGE}")));
        }
        let size = i64::from(if size == 0 { usual } else { size });
        let after = if token.is_empty() {
            String::new()
        } else {
            let wrong = || RpcError::field("page_token", "it is no next_page_token of this listing");
            let (mark, after) = token.split_once('.').ok_or_else(wrong)?;
            if mark != mark_of(&scope) {
                return Err(wrong());
            }
            after.to_owned()
        };
        Ok(Self { scope, size, after })
    }

    /// The number that the page begins after.
    pub(super) fn after_number(&self, first: i64) -> Result<i64, RpcError> {
        if self.after.is_empty() {
            return Ok(first);
        }
        self.after
            .parse()
            .map_err(|_| RpcError::field("page_token", "it is no next_page_token of this listing"))
    }

    /// The token of the next page; empty if this one, of `length` entries, is
    /// the last.
    pub(super) fn next(&self, length: usize, last: Option<impl ToString>) -> String {
        let full = i64::try_from(length).is_ok_and(|length| length == self.size);
        match last {
            Some(last) if full => format!("{}.{}", mark_of(&self.scope), last.to_string()),
            _ => String::new(),
        }
    }
}

fn mark_of(scope: &str) -> String {
    format!("{:016x}", xxh3_64(scope.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_lead_on_and_fit_their_own_listing_only() {
        let page = Page::read("a".into(), 2, 50, "").unwrap();
        let token = page.next(2, Some(17));
        assert_eq!(Page::read("a".into(), 2, 50, &token).unwrap().after_number(-1).unwrap(), 17);
        assert!(Page::read("b".into(), 2, 50, &token).is_err());
        assert!(Page::read("a".into(), 2, 50, "rubbish").is_err());
        assert!(Page::read("a".into(), 2, 50, &token.replace("17", "x")).unwrap().after_number(0).is_err());
        assert_eq!(page.next(1, Some(17)), "", "a page that is not full is the last");
        assert!(Page::read("a".into(), 1_001, 50, "").is_err());
        assert!(Page::read("a".into(), -1, 50, "").is_err());
    }
}
