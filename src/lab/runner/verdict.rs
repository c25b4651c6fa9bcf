//! The verdict of the key experiment: four numbers, why each is what it is, and the course's line.
//!
//! **Why a number alone does not pass.** One copy of an idempotent record proves something only if the record was sent
//! twice; a producer that does not pass through the injector would otherwise pass half of the test in silence.
//! Neighbours: [`super::experiment`] measures, `cli::validate` prints. Not here: measuring.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::lab::language::Language;
use crate::lab::profile::{Mode, Profile};
use crate::lab::runner::say;
use crate::lab::runner::target::api_name;

/// What was measured for one producer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// The profile whose producer it was.
    #[serde(skip)]
    pub profile: Profile,
    /// Its mode.
    #[serde(skip)]
    pub mode: Mode,
    /// As in the course's line, such as `java_plain`.
    pub name: String,
    /// The event.
    pub event_id: String,
    /// How many records with this event id are in the log.
    pub copies: usize,
    /// Where they are.
    pub partition: Option<i64>,
    /// Their offsets.
    pub offsets: Vec<i64>,
    /// The HTTP status of the send.
    pub status: u16,
    /// How often the producer sent the batch, if the façade tells.
    pub attempts: Option<i64>,
    /// The producer's id, in mode `idempotent`.
    pub producer_id: Option<i64>,
    /// Its epoch.
    pub producer_epoch: Option<i64>,
    /// The record's sequence.
    pub base_sequence: Option<i64>,
    /// The offset that the answer named.
    pub answered_offset: Option<i64>,
    /// Whether the broker recognised a repetition, if the answer tells.
    pub deduplicated: Option<bool>,
    /// How often the fault acted, if the injector tells.
    pub fired: Option<u64>,
    /// From the call to its answer.
    pub elapsed_ms: u64,
    /// What the façade said, when it did not say 200.
    pub problem: Option<String>,
}

/// The four numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether all four are as they must be.
    pub ok: bool,
    /// The course's line.
    pub line: String,
    /// One sentence per number.
    pub why: Vec<String>,
    /// What was measured.
    pub numbers: Vec<Measured>,
    /// How long the experiment took.
    pub elapsed_ms: u64,
}

impl Measured {
    /// The name in the course's line.
    pub fn name_of(profile: Profile, mode: Mode) -> String {
        format!("{}_{}", api_name(profile), mode.name())
    }

    /// What is wrong with it, if anything is.
    pub fn broken(&self, language: Language) -> Option<String> {
        let Self { name, copies, status, .. } = self;
        let wanted = match self.mode {
            Mode::Plain => say!(language, "at least 2", "au moins 2"),
            Mode::Idempotent => say!(language, "exactly 1", "exactement 1"),
        };
        let fits = match self.mode {
            Mode::Plain => *copies >= 2,
            Mode::Idempotent => *copies == 1,
        };
        if !fits {
            let because = self.because(language);
            return Some(say!(
                language,
                "{name}={copies}, expected {wanted}: {because}",
                "{name}={copies}, attendu {wanted} : {because}"
            ));
        }
        if *status != 200 {
            let said = self.problem.clone().unwrap_or_default();
            return Some(say!(
                language,
                "{name}={copies}, but the send was answered {status} instead of 200: {said}",
                "{name}={copies}, mais l'envoi a reçu {status} au lieu de 200 : {said}"
            ));
        }
        if self.attempts == Some(1) {
            let because = self.because(language);
            return Some(say!(
                language,
                "{name}={copies} proves nothing: the record was sent once only: {because}",
                "{name}={copies} ne prouve rien : l'enregistrement n'a été envoyé qu'une fois : {because}"
            ));
        }
        None
    }

    /// The likeliest cause of a number that is wrong.
    fn because(&self, language: Language) -> String {
        if self.status != 200 {
            let (status, said) = (self.status, self.problem.clone().unwrap_or_default());
            return say!(
                language,
                "the send was answered {status}: {said}",
                "l'envoi a reçu {status} : {said}"
            );
        }
        match (self.fired, self.attempts, self.mode) {
            (Some(0), _, _) => say!(
                language,
                "the fault never acted: this producer does not pass through the injector (`facteur doctor` says where it goes), or has another client id",
                "la panne n'a jamais agi : ce producer ne passe pas par l'injecteur (`facteur doctor` dit par où il passe), ou porte un autre client id"
            ),
            (_, Some(1), _) => say!(
                language,
                "the producer never sent it again: the fault did not reach it (`facteur doctor` says where its traffic goes)",
                "le producer ne l'a jamais renvoyé : la panne ne l'a pas atteint (`facteur doctor` dit par où passe son trafic)"
            ),
            (_, Some(attempts), Mode::Plain) => say!(
                language,
                "it was sent {attempts} times, but the log has one copy: the lost answer belonged to a request that was not appended",
                "il a été envoyé {attempts} fois, mais le journal a une seule copie : la réponse perdue était celle d'une requête non écrite"
            ),
            (_, _, Mode::Idempotent) => say!(
                language,
                "the broker stored a repetition that carries the sequence of a record it has",
                "le broker a stocké une répétition qui porte la séquence d'un enregistrement qu'il a déjà"
            ),
            (_, None, Mode::Plain) => say!(
                language,
                "no retry was stored: the fault did not reach the producer, or its timeouts are longer than the fault",
                "aucun nouvel essai n'a été stocké : la panne n'a pas atteint le producer, ou ses délais sont plus longs que la panne"
            ),
        }
    }

    /// One sentence that tells why the number is what it is.
    pub fn why(&self, language: Language) -> String {
        if let Some(broken) = self.broken(language) {
            return broken;
        }
        let Self { name, copies, .. } = self;
        let offsets = self.offsets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let partition = self.partition.map_or_else(|| "?".to_owned(), |partition| partition.to_string());
        let attempts = self.attempts.map_or_else(|| "?".to_owned(), |attempts| attempts.to_string());
        match self.mode {
            Mode::Plain => say!(
                language,
                "{name}={copies}: sent {attempts} times because the first answer was lost; without a sequence number the broker cannot tell a repetition from a new record and stored it at offsets {offsets} of partition {partition}.",
                "{name}={copies} : envoyé {attempts} fois parce que la première réponse s'est perdue ; sans numéro de séquence le broker ne distingue pas une répétition d'un nouvel enregistrement et l'a stocké aux offsets {offsets} de la partition {partition}."
            ),
            Mode::Idempotent => {
                let (id, epoch, sequence) =
                    (shown(self.producer_id), shown(self.producer_epoch), shown(self.base_sequence));
                let recognised = match (self.deduplicated, language) {
                    (Some(true), Language::English) => " (deduplicated: true)",
                    (Some(true), Language::French) => " (deduplicated : true)",
                    (Some(false) | None, _) => "",
                };
                say!(
                    language,
                    "{name}={copies}: sent {attempts} times with the same producer id {id}, epoch {epoch} and sequence {sequence}; the broker knew them already{recognised} and answered with the first copy's offset {offsets}.",
                    "{name}={copies} : envoyé {attempts} fois avec les mêmes producer id {id}, époque {epoch} et séquence {sequence} ; le broker les connaissait déjà{recognised} et a répondu avec l'offset de la première copie, {offsets}."
                )
            }
        }
    }
}

impl Verdict {
    /// Of what was measured.
    pub fn of(numbers: Vec<Measured>, language: Language, elapsed_ms: u64) -> Self {
        let counts = numbers.iter().map(|one| format!("{}={}", one.name, one.copies));
        let counts = counts.collect::<Vec<_>>().join(" ");
        let broken: Vec<String> = numbers.iter().filter_map(|one| one.broken(language)).collect();
        let ok = broken.is_empty() && !numbers.is_empty();
        let line =
            if ok { format!("OK: {counts}") } else { format!("FAILED: {counts} ({})", broken.join("; ")) };
        let why = numbers.iter().map(|one| one.why(language)).collect();
        Self { ok, line, why, numbers, elapsed_ms }
    }
}

fn shown(number: Option<i64>) -> String {
    number.map_or_else(|| "?".to_owned(), |number| number.to_string())
}

/// How often each number of copies was seen, over many runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// For each name, in the course's order: copies to runs.
    pub runs: BTreeMap<String, BTreeMap<usize, usize>>,
}

impl Histogram {
    /// Counts one run.
    pub fn add(&mut self, verdict: &Verdict) {
        for number in &verdict.numbers {
            *self.runs.entry(number.name.clone()).or_default().entry(number.copies).or_default() += 1;
        }
    }

    /// A table: a row per name, a column per number of copies that occurred.
    pub fn table(&self, language: Language) -> String {
        let mut columns: Vec<usize> = self.runs.values().flat_map(BTreeMap::keys).copied().collect();
        columns.sort_unstable();
        columns.dedup();
        let title = language.pick("copies", "copies");
        let mut text = format!("{title:<18}");
        for column in &columns {
            text.push_str(&format!("{column:>6}"));
        }
        for (name, runs) in &self.runs {
            text.push_str(&format!("\n{name:<18}"));
            for column in &columns {
                text.push_str(&format!("{:>6}", runs.get(column).copied().unwrap_or(0)));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(profile: Profile, mode: Mode, copies: usize, attempts: i64, fired: u64) -> Measured {
        Measured {
            profile,
            mode,
            name: Measured::name_of(profile, mode),
            event_id: "E".to_owned(),
            copies,
            partition: Some(1),
            offsets: (0..copies).filter_map(|at| i64::try_from(at).ok()).collect(),
            status: 200,
            attempts: Some(attempts),
            producer_id: Some(4000),
            producer_epoch: Some(0),
            base_sequence: Some(3),
            answered_offset: Some(0),
            deduplicated: Some(mode == Mode::Idempotent),
            fired: Some(fired),
            elapsed_ms: 1,
            problem: None,
        }
    }

    fn four(plain_copies: usize, attempts: i64, fired: u64) -> Vec<Measured> {
        [Profile::Java, Profile::Librdkafka]
            .into_iter()
            .flat_map(|profile| {
                [
                    measured(profile, Mode::Idempotent, 1, attempts, fired),
                    measured(profile, Mode::Plain, plain_copies, attempts, fired),
                ]
            })
            .collect()
    }

    // The course's scripts compare this line, letter by letter.
    #[test]
    fn the_line_is_the_courses() {
        let verdict = Verdict::of(four(2, 2, 1), Language::English, 0);

        assert!(verdict.ok);
        assert_eq!(verdict.line, "OK: java_idempotent=1 java_plain=2 dotnet_idempotent=1 dotnet_plain=2");
        assert_eq!(verdict.why.len(), 4);
        assert!(verdict.why[0].contains("sequence 3"), "{:?}", verdict.why);
    }

    // As the course is shipped, its APIs bypass the injector and plain is 1: that must fail, and name the cause.
    #[test]
    fn a_bypassed_injector_fails_and_is_named() {
        for language in [Language::English, Language::French] {
            let verdict = Verdict::of(four(1, 1, 0), language, 0);

            assert!(!verdict.ok);
            assert!(verdict.line.starts_with("FAILED: java_idempotent=1 java_plain=1 "), "{}", verdict.line);
            assert!(
                verdict.line.contains("java_plain=1, ") && verdict.line.contains("doctor"),
                "{}",
                verdict.line
            );
        }
    }

    // One copy after one attempt is what any producer gives: it must not count as idempotence.
    #[test]
    fn one_copy_after_one_attempt_proves_nothing() {
        let once = measured(Profile::Java, Mode::Idempotent, 1, 1, 1);

        assert!(once.broken(Language::English).unwrap().contains("proves nothing"));
    }

    // Fifty runs are summed up per name and number of copies; a run with three copies must have its own column.
    #[test]
    fn the_histogram_counts_runs_by_copies() {
        let mut histogram = Histogram::default();
        histogram.add(&Verdict::of(four(2, 2, 1), Language::English, 0));
        histogram.add(&Verdict::of(four(3, 3, 1), Language::English, 0));

        assert_eq!(histogram.runs["java_plain"], BTreeMap::from([(2, 1), (3, 1)]));
        assert_eq!(histogram.runs["java_idempotent"], BTreeMap::from([(1, 2)]));
        assert!(histogram.table(Language::English).contains("java_plain"));
    }
}
