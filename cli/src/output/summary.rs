//! One thing in full, for people.

use super::{
    escape::escape,
    rows::{self, NOTHING, or_nothing},
    table::{Medium, pairs, table},
    units::bytes,
};
use crate::view::{Agent, Batch, EarlierBatch, LanguageCount, LidApplied, Rejection, Released};

/// A batch: what it is, where it stands, its languages, its newest failures.
pub(super) fn batch(medium: Medium, batch: &Batch) -> String {
    let counts = &batch.counts;
    let candidates = &batch.candidate_languages;
    let mut facts = vec![
        ("batch", batch.batch_id.to_string()),
        ("state", batch.state.words().to_owned()),
        ("source", batch.source.clone()),
        ("date", batch.batch_date.clone()),
        ("created", format!("{:.0}", batch.create_time)),
        ("candidates", if candidates.is_empty() { "any language".to_owned() } else { candidates.join(", ") }),
        ("recordings", format!("{} ({})", counts.recordings, bytes(counts.bytes))),
        ("stored", format!("{} ({})", counts.stored, bytes(counts.stored_bytes))),
        ("identified", counts.identified.to_string()),
    ];
    let rest = [
        ("to be placed", counts.planned),
        ("to be identified", counts.lid_pending),
        ("not placed", counts.placement_failed),
        ("not identified", counts.lid_failed),
        ("cancelled", counts.cancelled),
    ];
    facts.extend(
        rest.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name, count.to_string())),
    );
    facts.extend((batch.released > 0).then(|| ("released", released_of(batch))));
    facts.extend(batch.waiting_for.clone().map(|reason| ("waiting", reason)));
    let languages = languages(medium, &batch.languages, counts.identified);
    join([pairs(medium, &facts), languages, failures(medium, batch)])
}

/// A batch that an earlier service wrote: what the shared tables say of it.
pub(super) fn earlier_batch(medium: Medium, batch: &EarlierBatch) -> String {
    let tables = &batch.tables;
    let count = |count: Option<u64>| count.map(|count| count.to_string());
    let facts = [
        ("batch", Some(batch.batch_id.to_string())),
        ("state", Some(rows::earlier_state(tables))),
        ("date", batch.batch_date.clone()),
        ("started", tables.start_time.clone()),
        ("current", tables.current.then(|| "yes".to_owned())),
        ("calls", count(tables.calls)),
        ("identified", count(tables.identified)),
        ("to be identified", count(tables.lid_pending.filter(|count| *count > 0))),
        ("distributed", count(tables.distributed)),
        ("remarks", tables.remarks.clone()),
    ];
    let facts: Vec<_> = facts.into_iter().filter_map(|(name, fact)| Some((name, fact?))).collect();
    let stages = table(medium, rows::STAGES, tables.stages.iter().map(rows::stage));
    let languages = languages(medium, &batch.languages, tables.identified.unwrap_or_default());
    join([pairs(medium, &facts), stages, languages])
}

/// What bringing calls in line came to; what is odd only where it is there.
pub(super) fn lid_applied(medium: Medium, applied: &LidApplied) -> String {
    let mut facts = vec![
        ("calls changed", applied.changed.to_string()),
        ("calls in line already", applied.in_line.to_string()),
    ];
    let odd = [
        ("recordings settled", applied.settled),
        ("names without a call", applied.without_call),
        ("names without a language", applied.without_language),
        ("languages not known", applied.unmapped),
    ];
    facts.extend(
        odd.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name, count.to_string())),
    );
    let unmapped = table(medium, rows::UNMAPPED, applied.unmapped_languages.iter().map(rows::unmapped));
    join([pairs(medium, &facts), unmapped])
}

/// `120, 3 of them not confirmed by their hosts yet`
fn released_of(batch: &Batch) -> String {
    match batch.releases_unconfirmed {
        0 => batch.released.to_string(),
        open => format!("{}, {open} of them not confirmed by their hosts yet", batch.released),
    }
}

/// What releasing recordings came to; what stays only where there is some.
pub(super) fn released(medium: Medium, released: &Released) -> String {
    let what = if released.dry_run { "would be released" } else { "released" };
    let mut facts = vec![(what, format!("{} ({})", released.released, bytes(released.released_bytes)))];
    let rest = [
        ("released before", released.released_before),
        ("still needed", released.needed),
        ("to be identified", released.unidentified),
        ("changed too recently", released.too_young),
    ];
    facts.extend(
        rest.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name, count.to_string())),
    );
    pairs(medium, &facts)
}

fn languages(medium: Medium, languages: &[LanguageCount], identified: u64) -> String {
    table(medium, rows::LANGUAGES, languages.iter().map(|count| rows::language(count, identified)))
}

fn failures(medium: Medium, batch: &Batch) -> String {
    let (newest, failed) = (batch.newest_failures.len(), batch.counts.failed());
    let rows = table(medium, rows::FAILURES, batch.newest_failures.iter().map(rows::failure));
    if rows.is_empty() || u64::try_from(newest).is_ok_and(|newest| newest == failed) {
        return rows;
    }
    format!("{rows}\n(the newest {newest} of {failed} failures)")
}

/// An agent: what it is, and how busy it is while connected.
pub(super) fn agent(medium: Medium, agent: &Agent) -> String {
    let mut facts = vec![
        ("agent", agent.name.clone()),
        ("state", agent.state.words().to_owned()),
        ("reason", or_nothing(agent.reason.as_ref())),
        ("address", agent.advertise_address.clone()),
        ("version", agent.version.clone()),
        ("storage", agent.storage_id.clone()),
        ("last seen", format!("{:.0}", agent.last_seen_time)),
    ];
    facts.extend(agent.since_time.map(|time| ("since", format!("{time:.0}"))));
    facts.extend(agent.next_probe_time.map(|time| ("next probe", format!("{time:.0}"))));
    if let Some(load) = &agent.load {
        facts.extend([
            ("engine", or_nothing(load.engine.as_ref())),
            ("device", or_nothing(load.device.as_ref())),
            ("weight", load.weight.to_string()),
            ("free disk", bytes(load.free_disk_bytes)),
            ("being sent", load.deliveries.to_string()),
            ("to be identified", load.lid_waiting.to_string()),
        ]);
    }
    facts.retain(|(_, value)| !value.is_empty() && value != NOTHING);
    pairs(medium, &facts)
}

/// Every offender that was named, and how many there are in all.
pub(super) fn rejection(medium: Medium, rejection: &Rejection) -> String {
    let total = rejection.total_offenders;
    let files = if total == 1 { "file is" } else { "files are" };
    let named = rejection.offenders.len();
    let title = match u64::try_from(named) {
        Ok(named) if named < total => format!("rejected: {total} {files} in the way (the first {named})"),
        Ok(_) | Err(_) => format!("rejected: {total} {files} in the way"),
    };
    let rows = table(medium, rows::OFFENDERS, rejection.offenders.iter().map(rows::offender));
    format!("{}\n{rows}", escape(&title))
}

fn join(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}
