//! Language codes: what engines say, brought to the one form that the tables hold.
//!
//! Engines answer in ISO 639-1, 639-2/B, 639-2/T, 639-3, English names, locale tags or habits of their
//! own. [`LanguageTable::canonical`] maps all of these, by table and never by cutting letters, to a
//! [`LanguageCode`]: ISO 639-1 where it exists, else ISO 639-3, or a private code such as `hinglish`.
//!
//! ```
//! use cofi_language::{Canonical, LanguageTable};
//!
//! let table = LanguageTable::default();
//! assert_eq!(table.canonical("ger").to_string(), "de");
//! assert_eq!(table.canonical("zh_Hans_CN").to_string(), "zh");
//! assert_eq!(table.canonical("Klingonese"), Canonical::Unmapped("Klingonese".to_owned()));
//! ```

mod code;
mod names;
mod seed;
mod standard;
mod table;

pub use code::{Canonical, LanguageCode};
pub use seed::{SeedRow, seed_rows};
pub use table::{AliasError, LanguageTable};
