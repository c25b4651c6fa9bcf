//! Names, clock and versions: what is around a lab and spoils it in silence.
//!
//! **Why.** A broker that advertises a name which this machine cannot resolve looks like one that is down; a clock that is
//! an hour ahead makes Kafka 4.4 refuse every record. Neighbours: [`super::listeners`] finds what answers. Not here: TLS.

use hyper::Method;
use hyper::header::DATE;

use crate::cli::client::Client;
use crate::cli::doctor::Examination;
use crate::cli::doctor::listeners::CONNECT_PATIENCE;
use crate::cli::doctor::report::Report;
use crate::lab::clock;

/// Looks at names, clock and versions.
pub(super) async fn look(examination: &Examination, report: &mut Report) {
    names(examination, report).await;
    clocks(examination, report).await;
    versions(examination, report).await;
}

async fn names(examination: &Examination, report: &mut Report) {
    let mut hosts = vec!["localhost".to_owned()];
    if let Ok(mut client) = Client::connect(&examination.target.kafka, CONNECT_PATIENCE).await
        && let Ok(metadata) = client.metadata(Some(&[])).await
    {
        hosts.extend(metadata.brokers.into_iter().map(|broker| broker.host));
    }
    hosts.sort();
    hosts.dedup();
    for host in hosts.into_iter().take(MOST_HOSTS) {
        let subject = format!("name {host}");
        match tokio::net::lookup_host((host.as_str(), 0)).await {
            Ok(found) => {
                let mut addresses: Vec<String> = found.map(|address| address.ip().to_string()).collect();
                addresses.dedup();
                report.ok(subject, addresses.join(", "));
            }
            Err(error) => report.wrong(
                subject,
                format!("a broker advertises it, and it does not resolve: {error}"),
                "add it to /etc/hosts, or let Kafka advertise a name that this machine knows",
            ),
        }
    }
}

async fn clocks(examination: &Examination, report: &mut Report) {
    let now_ms = clock::unix_time_ms();
    if now_ms < EARLIEST_MS {
        report.wrong("clock", format!("says {}", clock::iso_8601(now_ms)), "set it: records carry its time");
        return;
    }
    let url = format!("{}/health", examination.target.java);
    let answer = examination.http.call(Method::GET, &url, None).await.ok();
    let date = answer.and_then(|answer| answer.headers.get(DATE)?.to_str().ok().map(str::to_owned));
    let Some(theirs_ms) = date.as_deref().and_then(unix_time_of_http_date_ms) else {
        report.ok("clock", clock::iso_8601(now_ms));
        return;
    };
    let apart_ms = (now_ms - theirs_ms).abs();
    if apart_ms <= CLOCKS_APART_MS {
        report.ok("clock", format!("{}, the API's agrees", clock::iso_8601(now_ms)));
    } else {
        report.wrong(
            "clock",
            format!("{} s apart from the API's", apart_ms / 1000),
            "synchronise both machines: Kafka refuses records from far ahead (INVALID_TIMESTAMP)",
        );
    }
}

async fn versions(examination: &Examination, report: &mut Report) {
    let own = env!("CARGO_PKG_VERSION");
    let version = examination.toxics.version().await.ok();
    if version.is_none() {
        report.ok("versions", format!("facteur {own}"));
        return;
    }
    let theirs = version.as_ref().and_then(|version| version.get("implementation")?.as_str());
    match theirs
        .and_then(|theirs| theirs.strip_prefix("facteur"))
        .map(|rest| rest.trim_start_matches([' ', '/']))
    {
        Some(theirs) if !theirs.is_empty() && theirs != own => report.note(
            "versions",
            format!("this command is facteur {own}, the lab's is {theirs}"),
            "use one of them for both",
        ),
        Some(_) => report.ok("versions", format!("facteur {own}, command and lab")),
        None => report.ok("versions", format!("facteur {own}; the injector is another program")),
    }
}

/// `Tue, 15 Nov 1994 08:12:31 GMT` (RFC 9110) as milliseconds since the Unix epoch.
fn unix_time_of_http_date_ms(text: &str) -> Option<i64> {
    let mut parts = text.split_whitespace().skip(1);
    let day: i64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut time = parts.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // Days before a year and month of the Gregorian calendar, counted from March so that the leap day comes last.
    let month = i64::try_from(month).ok()?;
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// 2024-01-01: no machine that runs this is older.
const EARLIEST_MS: i64 = 1_704_067_200_000;
/// An HTTP date has whole seconds.
const CLOCKS_APART_MS: i64 = 5_000;
const MOST_HOSTS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    // Two clocks are compared by the Date header; a wrong calendar would call every clock wrong.
    #[test]
    fn http_dates_are_read() {
        assert_eq!(unix_time_of_http_date_ms("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(unix_time_of_http_date_ms("Sun, 28 Jan 2024 00:00:00 GMT"), Some(1_706_400_000_000));
        assert_eq!(unix_time_of_http_date_ms("Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400_000));
        assert_eq!(unix_time_of_http_date_ms("yesterday"), None);
        for ms in [0, 951_782_400_000, 1_706_400_000_000, 1_795_773_320_000] {
            let iso = clock::iso_8601(ms);
            let month = MONTHS[iso[5..7].parse::<usize>().unwrap() - 1];
            let date = format!("Xxx, {} {month} {} {} GMT", &iso[8..10], &iso[..4], &iso[11..19]);
            assert_eq!(unix_time_of_http_date_ms(&date), Some(ms), "{date}");
        }
    }
}
