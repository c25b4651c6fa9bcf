//! The kinds of problem that the façade answers, one row each: address, HTTP status, and a text in two languages.
//!
//! **Why a table.** RFC 9457 wants a stable `type` per kind of problem, with a page behind it. One row serves the
//! answer's `title`, the advice that ends its `detail`, and the page at `/problems/<name>`. Neighbours:
//! [`crate::lab::error`] fills the answer in, `routes/problems` shows the pages. Not here: which producer error is
//! which kind, which is `error`'s.

use axum::http::StatusCode;

use crate::lab::language::Language;

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each kind's meaning is the text of its row below")]
pub enum ProblemKind {
    MissingParameter,
    InvalidParameter,
    InvalidQuery,
    InvalidPath,
    InvalidBody,
    UnknownTopic,
    RecordTooLarge,
    BufferFull,
    NotReady,
    Overloaded,
    CircuitOpen,
    CallTimeout,
    InvalidIdempotencyKey,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    StatusStoreFull,
    Draining,
    DeliveryTimeout,
    DeliveryUnknown,
    BrokerRejected,
    RecordRefused,
    NotAuthorised,
    ProducerFatal,
    UnknownRequest,
    UnknownEvent,
    LabRunning,
    LogUnreadable,
    ChaosOff,
    FaultConflict,
    NotFound,
    MethodNotAllowed,
    UriTooLong,
    BodyTooLarge,
    BodyTimeout,
    UnsupportedEncoding,
    ForeignOrigin,
    Internal,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
struct Row {
    kind: ProblemKind,
    name: &'static str,
    status: StatusCode,
    title: (&'static str, &'static str),
    advice: (&'static str, &'static str),
}

const fn row(
    kind: ProblemKind,
    name: &'static str,
    status: StatusCode,
    title: (&'static str, &'static str),
    advice: (&'static str, &'static str),
) -> Row {
    Row { kind, name, status, title, advice }
}

const TABLE: &[Row] = {
    use ProblemKind as K;
    use StatusCode as S;
    &[
        row(
            K::MissingParameter,
            "missing-parameter",
            S::BAD_REQUEST,
            ("A query parameter is missing", "Un paramètre de requête manque"),
            (
                "Add it to the query string and send again.",
                "Ajoutez-le à la requête (après le « ? ») et renvoyez-la.",
            ),
        ),
        row(
            K::InvalidParameter,
            "invalid-parameter",
            S::BAD_REQUEST,
            ("A parameter has a value that is not allowed", "Un paramètre a une valeur non admise"),
            (
                "Correct it and send again; nothing was written.",
                "Corrigez-le et renvoyez ; rien n'a été écrit.",
            ),
        ),
        row(
            K::InvalidQuery,
            "invalid-query",
            S::BAD_REQUEST,
            ("The query string cannot be read", "La requête est illisible"),
            (
                "Encode it as a form (%25 for %, %20 or + for a space, UTF-8) and send again; nothing was written.",
                "Encodez-la comme un formulaire (%25 pour %, %20 ou + pour une espace, UTF-8) et renvoyez ; rien n'a été écrit.",
            ),
        ),
        row(
            K::InvalidPath,
            "invalid-path",
            S::BAD_REQUEST,
            ("The path cannot be read", "Le chemin est illisible"),
            (
                "Encode its bytes as UTF-8 (%C3%A9 for é) and ask again.",
                "Encodez ses octets en UTF-8 (%C3%A9 pour é) et redemandez.",
            ),
        ),
        row(
            K::InvalidBody,
            "invalid-body",
            S::BAD_REQUEST,
            ("The body cannot be read", "Le corps est illisible"),
            (
                "Send the whole body, in right chunks or with its right length, or none: no route needs one.",
                "Envoyez le corps entier, en segments corrects ou avec sa longueur exacte, ou aucun : rien n'en a besoin.",
            ),
        ),
        row(
            K::UnknownTopic,
            "unknown-topic",
            S::NOT_FOUND,
            ("The topic does not exist", "Le topic n'existe pas"),
            (
                "Create it (facteur topics create NAME --partitions 3) or correct the name, then send again; nothing was written.",
                "Créez-le (facteur topics create NOM --partitions 3) ou corrigez le nom, puis renvoyez ; rien n'a été écrit.",
            ),
        ),
        row(
            K::RecordTooLarge,
            "record-too-large",
            S::PAYLOAD_TOO_LARGE,
            ("The record is too large", "L'enregistrement est trop grand"),
            (
                "Make it smaller, or raise the named limit; it was not written.",
                "Réduisez-le ou relevez la limite nommée ; il n'a pas été écrit.",
            ),
        ),
        row(
            K::BufferFull,
            "buffer-full",
            S::TOO_MANY_REQUESTS,
            ("The producer's buffer is full", "Le tampon du producteur est plein"),
            (
                "Wait as long as Retry-After says and send again; this record was not accepted, earlier ones are kept.",
                "Attendez le délai de Retry-After et renvoyez ; cet enregistrement n'a pas été accepté, les précédents sont gardés.",
            ),
        ),
        row(
            K::NotReady,
            "not-ready",
            S::SERVICE_UNAVAILABLE,
            ("Kafka cannot be reached", "Kafka est injoignable"),
            (
                "Check the broker and KAFKA_BOOTSTRAP_SERVERS (GET /readyz tells more), then send again; nothing was written.",
                "Vérifiez le broker et KAFKA_BOOTSTRAP_SERVERS (GET /readyz en dit plus), puis renvoyez ; rien n'a été écrit.",
            ),
        ),
        row(
            K::Overloaded,
            "overloaded",
            S::SERVICE_UNAVAILABLE,
            ("Too many calls at once", "Trop d'appels simultanés"),
            (
                "Wait as long as Retry-After says and send again; nothing was written.",
                "Attendez le délai de Retry-After et renvoyez ; rien n'a été écrit.",
            ),
        ),
        row(
            K::CircuitOpen,
            "circuit-open",
            S::SERVICE_UNAVAILABLE,
            ("The circuit breaker is open", "Le disjoncteur est ouvert"),
            (
                "Kafka failed several times in a row; wait as long as Retry-After says and send again. Nothing was written.",
                "Kafka a échoué plusieurs fois de suite ; attendez le délai de Retry-After et renvoyez. Rien n'a été écrit.",
            ),
        ),
        row(
            K::CallTimeout,
            "call-timeout",
            S::GATEWAY_TIMEOUT,
            ("The call took too long", "L'appel a duré trop longtemps"),
            (
                "An accepted record goes on its way all the same: look in the topic for the eventId before you send it again.",
                "Un enregistrement accepté poursuit sa route : cherchez l'eventId dans le topic avant de renvoyer.",
            ),
        ),
        row(
            K::InvalidIdempotencyKey,
            "invalid-idempotency-key",
            S::BAD_REQUEST,
            ("The Idempotency-Key cannot be used", "L'Idempotency-Key est inutilisable"),
            (
                "Use a new UUID, say, for each event, and repeat it with each repetition; nothing was written.",
                "Prenez par exemple un UUID neuf pour chaque événement, et répétez-le à chaque répétition ; rien n'a été écrit.",
            ),
        ),
        row(
            K::IdempotencyKeyInUse,
            "idempotency-key-in-use",
            S::CONFLICT,
            ("The first call with this key is still running", "Le premier appel avec cette clé est en cours"),
            (
                "Wait as long as Retry-After says and repeat the call: it is answered with the first one's result.",
                "Attendez le délai de Retry-After et répétez l'appel : il recevra le résultat du premier.",
            ),
        ),
        row(
            K::IdempotencyKeyReused,
            "idempotency-key-reused",
            S::UNPROCESSABLE_ENTITY,
            ("The key belongs to another call", "La clé appartient à un autre appel"),
            (
                "Repeat the first call with the same parameters, or take a new key for a new event; nothing was written by this call.",
                "Répétez le premier appel avec les mêmes paramètres, ou prenez une clé neuve pour un nouvel événement ; cet appel n'a rien écrit.",
            ),
        ),
        row(
            K::StatusStoreFull,
            "status-store-full",
            S::SERVICE_UNAVAILABLE,
            ("Too many requests are pending", "Trop de requêtes sont en attente"),
            (
                "Wait until some of them are delivered, or use sendMode=sync; nothing was written.",
                "Attendez que certaines soient livrées, ou utilisez sendMode=sync ; rien n'a été écrit.",
            ),
        ),
        row(
            K::Draining,
            "draining",
            S::SERVICE_UNAVAILABLE,
            ("The service is stopping", "Le service s'arrête"),
            (
                "Send again once it is back; nothing was written.",
                "Renvoyez quand il sera revenu ; rien n'a été écrit.",
            ),
        ),
        row(
            K::DeliveryTimeout,
            "delivery-timeout",
            S::GATEWAY_TIMEOUT,
            ("The record was not delivered in time", "L'enregistrement n'a pas été livré à temps"),
            (
                "It is certainly not in the log: sending it again cannot make a duplicate.",
                "Il n'est certainement pas dans le log : le renvoyer ne peut pas créer de doublon.",
            ),
        ),
        row(
            K::DeliveryUnknown,
            "delivery-unknown",
            S::GATEWAY_TIMEOUT,
            ("Nobody knows whether the record was written", "Nul ne sait si l'enregistrement a été écrit"),
            (
                "Zero or one copy is in the log. Look there for the eventId before you send it again: a second call may make a duplicate.",
                "Zéro ou une copie est dans le log. Cherchez-y l'eventId avant de renvoyer : un second appel peut créer un doublon.",
            ),
        ),
        row(
            K::BrokerRejected,
            "broker-rejected",
            S::BAD_GATEWAY,
            ("Kafka refused the record", "Kafka a refusé l'enregistrement"),
            (
                "It is certainly not in the log. kafkaError says why; if it is retriable, send again.",
                "Il n'est certainement pas dans le log. kafkaError dit pourquoi ; si retriable vaut true, renvoyez.",
            ),
        ),
        row(
            K::RecordRefused,
            "record-refused",
            S::UNPROCESSABLE_ENTITY,
            ("The record itself is not acceptable", "L'enregistrement lui-même n'est pas acceptable"),
            ("Change the record; it was not written.", "Modifiez l'enregistrement ; il n'a pas été écrit."),
        ),
        row(
            K::NotAuthorised,
            "not-authorised",
            S::FORBIDDEN,
            ("Kafka does not allow this client to write", "Kafka n'autorise pas ce client à écrire"),
            (
                "Ask for the right to write the topic, then send again; nothing was written.",
                "Demandez le droit d'écrire dans le topic, puis renvoyez ; rien n'a été écrit.",
            ),
        ),
        row(
            K::ProducerFatal,
            "producer-fatal",
            S::INTERNAL_SERVER_ERROR,
            ("The producer had to give up", "Le producteur a dû abandonner"),
            (
                "A new one takes its place for the next call. possiblyWritten says whether this record may be in the log.",
                "Un nouveau le remplace au prochain appel. possiblyWritten dit si cet enregistrement peut être dans le log.",
            ),
        ),
        row(
            K::UnknownRequest,
            "unknown-request",
            S::NOT_FOUND,
            ("The requestId is unknown or expired", "Le requestId est inconnu ou expiré"),
            (
                "Statuses are kept for at least 60 s up to 100,000 of them, in memory: check the id, or look in the topic for the event.",
                "Les statuts sont gardés au moins 60 s, jusqu'à 100 000, en mémoire : vérifiez l'identifiant, ou cherchez l'événement dans le topic.",
            ),
        ),
        row(
            K::UnknownEvent,
            "unknown-event",
            S::NOT_FOUND,
            ("The event is not in the time line", "L'événement n'est pas dans la chronologie"),
            (
                "The time line keeps the latest 100,000 happenings, in memory: check the eventId, or count it in the log with GET /api/v1/audit.",
                "La chronologie garde les 100 000 derniers faits, en mémoire : vérifiez l'eventId, ou comptez-le dans le journal avec GET /api/v1/audit.",
            ),
        ),
        row(
            K::LabRunning,
            "lab-running",
            S::CONFLICT,
            ("Another lab runs", "Un autre lab est en cours"),
            (
                "Labs run one at a time, for each would meet the other's faults: wait for its end and run this one again.",
                "Les labs s'exécutent un par un, car chacun rencontrerait les pannes de l'autre : attendez la fin et relancez celui-ci.",
            ),
        ),
        row(
            K::LogUnreadable,
            "log-unreadable",
            S::BAD_GATEWAY,
            ("The log cannot be read now", "Le journal est illisible pour le moment"),
            (
                "Look at facteur topics describe (is there a leader?) and ask again; nothing was changed.",
                "Regardez facteur topics describe (y a-t-il un leader ?) et redemandez ; rien n'a été changé.",
            ),
        ),
        row(
            K::ChaosOff,
            "chaos-off",
            S::NOT_FOUND,
            ("There is no fault injector", "Il n'y a pas d'injecteur de pannes"),
            (
                "Start the lab without --no-chaos to have one.",
                "Démarrez le lab sans --no-chaos pour en avoir un.",
            ),
        ),
        row(
            K::FaultConflict,
            "fault-conflict",
            S::CONFLICT,
            ("The injector cannot do that now", "L'injecteur ne peut pas le faire maintenant"),
            (
                "Look at GET /api/v1/chaos, choose another name or remove what is there; nothing was changed.",
                "Regardez GET /api/v1/chaos, choisissez un autre nom ou supprimez ce qui est là ; rien n'a été changé.",
            ),
        ),
        row(
            K::NotFound,
            "not-found",
            S::NOT_FOUND,
            ("There is nothing at this address", "Il n'y a rien à cette adresse"),
            (
                "Try GET /health, POST /api/v1/send or GET /api/v1/status.",
                "Essayez GET /health, POST /api/v1/send ou GET /api/v1/status.",
            ),
        ),
        row(
            K::MethodNotAllowed,
            "method-not-allowed",
            S::METHOD_NOT_ALLOWED,
            ("The address does not answer this method", "Cette adresse ne répond pas à cette méthode"),
            ("Use the method that the Allow header names.", "Utilisez la méthode que nomme l'en-tête Allow."),
        ),
        row(
            K::UriTooLong,
            "uri-too-long",
            S::URI_TOO_LONG,
            ("The address is too long", "L'adresse est trop longue"),
            ("Shorten it; nothing was written.", "Raccourcissez-la ; rien n'a été écrit."),
        ),
        row(
            K::BodyTooLarge,
            "body-too-large",
            S::PAYLOAD_TOO_LARGE,
            ("The request's body is too large", "Le corps de la requête est trop grand"),
            (
                "All parameters travel in the query string: send no body. Nothing was written.",
                "Tous les paramètres vont dans la requête : n'envoyez pas de corps. Rien n'a été écrit.",
            ),
        ),
        row(
            K::BodyTimeout,
            "body-timeout",
            S::REQUEST_TIMEOUT,
            ("The request's body came too slowly", "Le corps de la requête est arrivé trop lentement"),
            (
                "All parameters travel in the query string: send no body. Nothing was written.",
                "Tous les paramètres vont dans la requête : n'envoyez pas de corps. Rien n'a été écrit.",
            ),
        ),
        row(
            K::UnsupportedEncoding,
            "unsupported-encoding",
            S::UNSUPPORTED_MEDIA_TYPE,
            ("Compressed requests are not accepted", "Les requêtes compressées ne sont pas acceptées"),
            (
                "Send without Content-Encoding; nothing was written.",
                "Envoyez sans Content-Encoding ; rien n'a été écrit.",
            ),
        ),
        row(
            K::ForeignOrigin,
            "foreign-origin",
            S::FORBIDDEN,
            ("Calls from other web sites are refused", "Les appels venant d'autres sites sont refusés"),
            (
                "Call from the command line, or from a page that this service serves; nothing was written.",
                "Appelez depuis la ligne de commande, ou depuis une page de ce service ; rien n'a été écrit.",
            ),
        ),
        row(
            K::Internal,
            "internal",
            S::INTERNAL_SERVER_ERROR,
            ("A defect of ours", "Un défaut de notre part"),
            (
                "Please report it with the traceId. It is not known whether the record was written.",
                "Signalez-le avec le traceId. On ne sait pas si l'enregistrement a été écrit.",
            ),
        ),
    ]
};

impl ProblemKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.kind)
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.kind)
    }

    /// The last part of its `type`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The `type` URI, relative to the service.
    pub fn type_uri(self) -> String {
        format!("/problems/{}", self.name())
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        self.row().status
    }

    /// The `title`.
    pub fn title(self, language: Language) -> &'static str {
        let (english, french) = self.row().title;
        language.pick(english, french)
    }

    /// What to do now: the end of every `detail`.
    pub fn advice(self, language: Language) -> &'static str {
        let (english, french) = self.row().advice;
        language.pick(english, french)
    }

    /// Seconds for `Retry-After`, where waiting helps.
    pub const fn retry_after_seconds(self) -> Option<u32> {
        match self {
            Self::BufferFull | Self::Overloaded | Self::StatusStoreFull | Self::IdempotencyKeyInUse => {
                Some(1)
            }
            Self::NotReady | Self::Draining | Self::LabRunning => Some(5),
            Self::CircuitOpen => Some(60),
            Self::MissingParameter
            | Self::InvalidParameter
            | Self::InvalidQuery
            | Self::InvalidPath
            | Self::InvalidBody
            | Self::UnknownTopic
            | Self::RecordTooLarge
            | Self::CallTimeout
            | Self::InvalidIdempotencyKey
            | Self::IdempotencyKeyReused
            | Self::DeliveryTimeout
            | Self::DeliveryUnknown
            | Self::BrokerRejected
            | Self::RecordRefused
            | Self::NotAuthorised
            | Self::ProducerFatal
            | Self::UnknownRequest
            | Self::UnknownEvent
            | Self::LogUnreadable
            | Self::ChaosOff
            | Self::FaultConflict
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::UriTooLong
            | Self::BodyTooLarge
            | Self::BodyTimeout
            | Self::UnsupportedEncoding
            | Self::ForeignOrigin
            | Self::Internal => None,
        }
    }

    #[allow(clippy::expect_used, reason = "a test holds that every kind has a row")]
    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.kind == self).expect("every kind has a row: see the test below")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A kind without a row would panic while answering; two kinds with one name would share a page.
    #[test]
    fn every_kind_has_one_row_with_a_name_of_its_own() {
        let all = [
            ProblemKind::MissingParameter,
            ProblemKind::InvalidParameter,
            ProblemKind::InvalidQuery,
            ProblemKind::InvalidPath,
            ProblemKind::InvalidBody,
            ProblemKind::UnknownTopic,
            ProblemKind::RecordTooLarge,
            ProblemKind::BufferFull,
            ProblemKind::NotReady,
            ProblemKind::Overloaded,
            ProblemKind::CircuitOpen,
            ProblemKind::CallTimeout,
            ProblemKind::InvalidIdempotencyKey,
            ProblemKind::IdempotencyKeyInUse,
            ProblemKind::IdempotencyKeyReused,
            ProblemKind::LabRunning,
            ProblemKind::StatusStoreFull,
            ProblemKind::Draining,
            ProblemKind::DeliveryTimeout,
            ProblemKind::DeliveryUnknown,
            ProblemKind::BrokerRejected,
            ProblemKind::RecordRefused,
            ProblemKind::NotAuthorised,
            ProblemKind::ProducerFatal,
            ProblemKind::UnknownRequest,
            ProblemKind::UnknownEvent,
            ProblemKind::LogUnreadable,
            ProblemKind::ChaosOff,
            ProblemKind::FaultConflict,
            ProblemKind::NotFound,
            ProblemKind::MethodNotAllowed,
            ProblemKind::UriTooLong,
            ProblemKind::BodyTooLarge,
            ProblemKind::BodyTimeout,
            ProblemKind::UnsupportedEncoding,
            ProblemKind::ForeignOrigin,
            ProblemKind::Internal,
        ];

        assert_eq!(ProblemKind::all().count(), all.len());
        for kind in all {
            assert_eq!(ProblemKind::named(kind.name()), Some(kind));
        }
    }
}
