//! The labs' texts: goal, theory, the command to paste, the checkpoint; in English and French.
//!
//! **Why beside the code.** The guides and the commands tell the same story, and a test can see that no lab lacks a
//! text. Neighbours: `labs/` do what is told here; `cli::lab` prints it. Not here: what a run saw.

use crate::lab::language::Language;
use crate::lab::runner::lab_id::LabId;

/// A text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    english: &'static str,
    french: &'static str,
}

impl Text {
    /// In one of them.
    pub const fn pick(self, language: Language) -> &'static str {
        language.pick(self.english, self.french)
    }
}

/// A lab's texts.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The lab.
    pub lab: LabId,
    /// Which of the course's six objectives it serves, counted from 1.
    pub objective: usize,
    /// Its name.
    pub title: Text,
    /// What is to be seen.
    pub goal: Text,
    /// A few lines.
    pub theory: Text,
    /// What to paste into a shell.
    pub command: &'static str,
    /// When it is reached.
    pub checkpoint: Text,
}

/// The course's six objectives, in our words.
pub const OBJECTIVES: [Text; 6] = [
    text("Know how a producer works", "Connaître le fonctionnement d'un producer"),
    text("Write a reliable, idempotent producer", "Écrire un producer fiable et idempotent"),
    text("Understand patterns of reliability", "Comprendre les motifs de fiabilité"),
    text("Test and debug what is in Kafka", "Tester et déboguer ce qui est dans Kafka"),
    text("Deploy with Docker and Kubernetes", "Déployer avec Docker et Kubernetes"),
    text("Watch and tune", "Surveiller et régler"),
];

/// The texts of a lab.
pub const fn entry(lab: LabId) -> &'static Entry {
    match lab {
        LabId::Start => &START,
        LabId::Sync => &SYNC,
        LabId::Async => &ASYNC,
        LabId::Faults => &FAULTS,
        LabId::Idempotence => &IDEMPOTENCE,
        LabId::Partitions => &PARTITIONS,
        LabId::Compaction => &COMPACTION,
        LabId::IdempotencyKey => &IDEMPOTENCY_KEY,
        LabId::Breaker => &BREAKER,
        LabId::Timeouts => &TIMEOUTS,
        LabId::TimeoutToxic => &TIMEOUT_TOXIC,
        LabId::Keys => &KEYS,
    }
}

const fn text(english: &'static str, french: &'static str) -> Text {
    Text { english, french }
}

const START: Entry = Entry {
    lab: LabId::Start,
    objective: 5,
    title: text("Start", "Démarrage"),
    goal: text(
        "Both APIs, the fault injector and Kafka answer.",
        "Les deux API, l'injecteur de pannes et Kafka répondent.",
    ),
    theory: text(
        "One process serves two ports. Port 18080 behaves like Kafka's Java client, port 18081 like librdkafka (on which \
         .NET, Python and Go build): they hash keys differently and understand \"request timeout\" differently.\n\
         /health says only that the process lives; /readyz says whether the producers are connected.",
        "Un seul processus sert deux ports. Le port 18080 se comporte comme le client Java de Kafka, le port 18081 comme \
         librdkafka (la base des clients .NET, Python et Go) : ils hachent les clés autrement et n'entendent pas la même \
         chose par « request timeout ».\n\
         /health dit seulement que le processus vit ; /readyz dit si les producers sont connectés.",
    ),
    command: "curl -fsS http://localhost:18080/health\ncurl -fsS http://localhost:18081/health",
    checkpoint: text("Both APIs answer OK", "Les deux API répondent OK"),
};

const SYNC: Entry = Entry {
    lab: LabId::Sync,
    objective: 1,
    title: text("Synchronous send", "Envoi synchrone"),
    goal: text(
        "An answer with the partition and the offset: the record is in the log.",
        "Une réponse avec la partition et l'offset : l'enregistrement est dans le journal.",
    ),
    theory: text(
        "A synchronous call waits for Kafka's acknowledgement. A topic is cut into partitions; in each one every record \
         has a number, its offset. Partition and offset together are the record's address, and it never changes.",
        "Un appel synchrone attend l'accusé de réception de Kafka. Un topic est découpé en partitions ; dans chacune, \
         chaque enregistrement porte un numéro, son offset. Partition et offset forment l'adresse de l'enregistrement, qui \
         ne change jamais.",
    ),
    command: "EVENT_ID=\"JAVA-SYNC-$(date +%s)\"\n\
              curl -fsS -X POST \"http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=$EVENT_ID\"",
    checkpoint: text(
        "A synchronous send answers with partition and offset",
        "L'envoi synchrone renvoie partition et offset",
    ),
};

const ASYNC: Entry = Entry {
    lab: LabId::Async,
    objective: 1,
    title: text("Asynchronous send", "Envoi asynchrone"),
    goal: text(
        "Accepted at once, delivered a little later; the status tells.",
        "Accepté tout de suite, livré un peu plus tard ; le statut le dit.",
    ),
    theory: text(
        "202 means accepted, not stored. The answer has a requestId; what became of the record is asked for later: \
         PENDING, OK, ERROR (certainly not written) or UNKNOWN (nobody can know).",
        "202 signifie accepté, et non stocké. La réponse porte un requestId ; on demande plus tard ce qu'est devenu \
         l'enregistrement : PENDING, OK, ERROR (certainement pas écrit) ou UNKNOWN (personne ne peut le savoir).",
    ),
    command: "RESPONSE=$(curl -fsS -X POST \"http://localhost:18080/api/v1/send?mode=idempotent&sendMode=async&eventId=A-1\")\n\
              REQ_ID=$(echo \"$RESPONSE\" | sed -n 's/.*\"requestId\":\"\\([^\"]*\\)\".*/\\1/p')\n\
              curl -fsS \"http://localhost:18080/api/v1/status?requestId=$REQ_ID\"",
    checkpoint: text(
        "An asynchronous send, and its status found again",
        "Un envoi asynchrone, et son statut retrouvé",
    ),
};

const FAULTS: Entry = Entry {
    lab: LabId::Faults,
    objective: 4,
    title: text("Faults on the network", "Pannes du réseau"),
    goal: text(
        "Five seconds of latency on Kafka's answers are felt by a send, and gone when the toxic is removed.",
        "Cinq secondes de latence sur les réponses de Kafka se sentent à l'envoi, et disparaissent quand on les retire.",
    ),
    theory: text(
        "The injector stands between the producers and Kafka. Kafka tells its clients which address to use, so a proxy that \
         does not rewrite these addresses is left after the first answer; this one rewrites them.\n\
         Latency alone causes no retry: with a request timeout of 30 s a client simply waits 5 s.",
        "L'injecteur se tient entre les producers et Kafka. Kafka dit à ses clients quelle adresse utiliser : un proxy qui \
         ne réécrit pas ces adresses est quitté dès la première réponse ; celui-ci les réécrit.\n\
         La latence seule ne provoque aucun nouvel essai : avec un request timeout de 30 s, le client attend 5 s, rien de plus.",
    ),
    command: "curl -fsS -H 'Content-Type: application/json' -X POST http://localhost:8474/proxies/kafka/toxics \\\n  \
              -d '{\"name\":\"latency\",\"type\":\"latency\",\"stream\":\"downstream\",\"attributes\":{\"latency\":5000,\"jitter\":0}}'\n\
              time curl -fsS -X POST \"http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=LATENCY-1\"\n\
              curl -fsS -X DELETE http://localhost:8474/proxies/kafka/toxics/latency\n\
              curl -fsS http://localhost:8474/proxies/kafka/toxics",
    checkpoint: text(
        "Latency through the injector is felt and removed",
        "La latence de l'injecteur se sent, puis se retire",
    ),
};

const IDEMPOTENCE: Entry = Entry {
    lab: LabId::Idempotence,
    objective: 2,
    title: text("Idempotence against plain", "Idempotent contre plain"),
    goal: text(
        "One lost acknowledgement: plain is stored at least twice, idempotent exactly once.",
        "Un accusé de réception perdu : plain est stocké au moins deux fois, idempotent exactement une.",
    ),
    theory: text(
        "When an acknowledgement is lost, the producer cannot know whether the record was stored, and sends it again. An \
         idempotent producer numbers its batches (producer id, epoch, sequence); the broker remembers the last five \
         batches of each producer and partition, recognises the repetition and answers with the first copy's offset.",
        "Quand un accusé de réception se perd, le producer ne peut pas savoir si l'enregistrement est stocké, et le renvoie. \
         Un producer idempotent numérote ses lots (producer id, époque, séquence) ; le broker garde en mémoire les cinq \
         derniers lots de chaque producer et partition, reconnaît la répétition et répond avec l'offset de la première copie.",
    ),
    command: "facteur validate",
    checkpoint: text("The validation says OK", "La validation dit OK"),
};

const PARTITIONS: Entry = Entry {
    lab: LabId::Partitions,
    objective: 1,
    title: text("Keys and partitions", "Clés et partitions"),
    goal: text(
        "A record goes where it is told, or where its key's hash says; two client families hash differently.",
        "Un enregistrement va où on le dit, ou là où le hachage de sa clé l'envoie ; deux familles de clients hachent autrement.",
    ),
    theory: text(
        "Records of one key stay in one partition, in order; between partitions there is no order. The Java client hashes \
         keys with murmur2, librdkafka with CRC-32: the same key can land in two partitions if both write the topic.",
        "Les enregistrements d'une même clé restent dans une partition, dans l'ordre ; entre partitions il n'y a pas d'ordre. \
         Le client Java hache les clés par murmur2, librdkafka par CRC-32 : la même clé peut tomber dans deux partitions si \
         les deux écrivent dans le topic.",
    ),
    command: "curl -fsS -X POST \"http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=P1-$(date +%s)&partition=1\"\n\
              facteur partition customer-42 customer-99 -n 3\n\
              facteur consume -t bhf-transactions --from-beginning -e --print partition,offset",
    checkpoint: text("Records on different partitions", "Des enregistrements sur plusieurs partitions"),
};

const COMPACTION: Entry = Entry {
    lab: LabId::Compaction,
    objective: 4,
    title: text("Log compaction", "Compaction du journal"),
    goal: text(
        "Of V1, V2, V3 under one key only V3 stays, and it is clear when and why.",
        "De V1, V2, V3 sous une même clé, seul V3 reste, et l'on comprend quand et pourquoi.",
    ),
    theory: text(
        "A compacted topic keeps the last value of each key. Kafka cleans closed segments only: the segment that is being \
         written is never touched, and it is closed by the next record that comes after segment.ms. Three quick sends \
         alone are therefore not compacted; later records must close their segment first.",
        "Un topic compacté garde la dernière valeur de chaque clé. Kafka ne nettoie que les segments fermés : celui où l'on \
         écrit n'est jamais touché, et c'est le prochain enregistrement venu après segment.ms qui le ferme. Trois envois \
         rapides seuls ne sont donc pas compactés ; d'autres enregistrements doivent d'abord fermer leur segment.",
    ),
    command: "facteur topics create bhf-compact-demo --if-not-exists --partitions 1 \\\n  \
              -c cleanup.policy=compact -c segment.ms=1000 -c min.cleanable.dirty.ratio=0.01\n\
              for V in V1 V2 V3; do\n  \
              curl -fsS -X POST \"http://localhost:18081/api/v1/send?mode=plain&sendMode=sync&topic=bhf-compact-demo&eventId=$V&key=customer-42\"\n\
              done",
    checkpoint: text("Only the last value of a key stays", "Seule la dernière valeur d'une clé reste"),
};

const IDEMPOTENCY_KEY: Entry = Entry {
    lab: LabId::IdempotencyKey,
    objective: 3,
    title: text("What idempotence does not do", "Ce que l'idempotence ne fait pas"),
    goal: text(
        "The same event posted twice is stored twice; with the Idempotency-Key header it is stored once.",
        "Le même événement posté deux fois est stocké deux fois ; avec l'en-tête Idempotency-Key, une seule.",
    ),
    theory: text(
        "The producer's sequence numbers protect against its own repetitions. A caller that posts again makes a new record \
         with a new sequence. Against that the API needs a key of the caller's: the Idempotency-Key header.",
        "Les numéros de séquence du producer protègent de ses propres répétitions. Un appelant qui poste à nouveau crée un \
         nouvel enregistrement, avec une nouvelle séquence. Contre cela, l'API a besoin d'une clé de l'appelant : l'en-tête \
         Idempotency-Key.",
    ),
    command: "for i in 1 2; do curl -fsS -H 'Idempotency-Key: order-7' -X POST \\\n  \
              \"http://localhost:18080/api/v1/send?mode=idempotent&sendMode=sync&eventId=ORDER-7\"; done",
    checkpoint: text("Twice without the header, once with it", "Deux fois sans l'en-tête, une fois avec"),
};

const BREAKER: Entry = Entry {
    lab: LabId::Breaker,
    objective: 3,
    title: text("Circuit breaker", "Disjoncteur"),
    goal: text(
        "Kafka away: after five failures the circuit opens and calls end at once; when Kafka is back it closes.",
        "Kafka absent : après cinq échecs le circuit s'ouvre et les appels finissent aussitôt ; Kafka revenu, il se ferme.",
    ),
    theory: text(
        "Closed: calls pass. After a number of failures in a row it opens: calls are refused with 503 and Retry-After, \
         without waiting for a Kafka that is away. After a while it is half-open: one call may try, and decides.",
        "Fermé : les appels passent. Après un certain nombre d'échecs de suite il s'ouvre : les appels sont refusés par 503 \
         et Retry-After, sans attendre un Kafka absent. Au bout d'un moment il est à demi ouvert : un appel essaie, et décide.",
    ),
    command: "facteur lab breaker",
    checkpoint: text("Open after five failures, closed again", "Ouvert après cinq échecs, puis refermé"),
};

const TIMEOUTS: Entry = Entry {
    lab: LabId::Timeouts,
    objective: 6,
    title: text("Exercise 1: timeouts", "Exercice 1 : délais"),
    goal: text(
        "The same delay with two timeouts: 30,000 ms waits, 1,000 ms sends again and stores a second copy.",
        "Le même retard avec deux délais : 30 000 ms attend, 1 000 ms renvoie et stocke une seconde copie.",
    ),
    theory: text(
        "A retry needs a client that gives up waiting before the answer comes. Java's request.timeout.ms is that limit; in \
         librdkafka it is socket.timeout.ms, and its request.timeout.ms is told to the broker only.",
        "Pour un nouvel essai, il faut un client qui cesse d'attendre avant que la réponse n'arrive. Chez Java c'est \
         request.timeout.ms ; chez librdkafka c'est socket.timeout.ms, et son request.timeout.ms ne s'adresse qu'au broker.",
    ),
    command: "KAFKA_REQUEST_TIMEOUT_MS=1000 KAFKA_SOCKET_TIMEOUT_MS=1000 facteur serve",
    checkpoint: text("Long timeout: one copy; short: two", "Délai long : une copie ; court : deux"),
};

const TIMEOUT_TOXIC: Entry = Entry {
    lab: LabId::TimeoutToxic,
    objective: 4,
    title: text("Exercise 2: a complete timeout", "Exercice 2 : silence complet"),
    goal: text(
        "No answer comes at all: 504 with possiblyWritten, and the record is in the log.",
        "Aucune réponse n'arrive : 504 avec possiblyWritten, et l'enregistrement est dans le journal.",
    ),
    theory: text(
        "When the delivery timeout is over the producer gives up. It must not say \"failed\": Kafka may have stored the \
         record, and here it has. The honest answer is \"unknown\".",
        "Quand le délai de livraison est passé, le producer renonce. Il ne doit pas dire « échec » : Kafka a peut-être stocké \
         l'enregistrement, et ici il l'a fait. La réponse honnête est « inconnu ».",
    ),
    command: "curl -fsS -X POST http://localhost:8474/proxies/kafka/toxics \\\n  \
              -d '{\"name\":\"silence\",\"type\":\"timeout\",\"stream\":\"downstream\",\"attributes\":{\"timeout\":0}}'\n\
              curl -sS -X POST \"http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=SILENCE-1\"\n\
              curl -fsS -X DELETE http://localhost:8474/proxies/kafka/toxics/silence",
    checkpoint: text(
        "504 with possiblyWritten, and a copy in the log",
        "504 avec possiblyWritten, et une copie dans le journal",
    ),
};

const KEYS: Entry = Entry {
    lab: LabId::Keys,
    objective: 1,
    title: text("Exercise 3: many keys", "Exercice 3 : beaucoup de clés"),
    goal: text(
        "Many keys spread over all partitions, and each key stays where it is.",
        "Beaucoup de clés se répartissent sur toutes les partitions, et chacune reste où elle est.",
    ),
    theory: text(
        "A good hash spreads many keys evenly; few keys, or one very busy key, do not spread at all.",
        "Un bon hachage répartit également beaucoup de clés ; peu de clés, ou une seule très active, ne se répartissent pas.",
    ),
    command: "facteur partition $(seq -f 'customer-%g' 0 99) -n 3",
    checkpoint: text(
        "Every partition has records, each key one partition",
        "Chaque partition a des enregistrements, chaque clé une partition",
    ),
};

#[cfg(test)]
mod tests {
    use super::*;

    // A lab without a text in one language would leave half of the class before an empty page.
    #[test]
    fn every_lab_has_its_texts_in_both_languages() {
        for lab in LabId::all() {
            let entry = entry(lab);
            assert_eq!(entry.lab, lab);
            assert!(!entry.command.is_empty(), "{lab}");
            for text in [entry.title, entry.goal, entry.theory, entry.checkpoint] {
                assert!(!text.english.is_empty() && !text.french.is_empty(), "{lab}");
                assert_ne!(text.english, text.french, "{lab}");
            }
        }
    }

    // Row 2 of the inventory: each of the course's objectives is proven by at least one lab.
    #[test]
    fn every_objective_has_a_lab() {
        for objective in 1..=OBJECTIVES.len() {
            assert!(LabId::all().any(|lab| entry(lab).objective == objective), "objective {objective}");
        }
    }
}
