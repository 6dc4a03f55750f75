//! What a database holds after years: ordinary rows, and odd ones.

use crate::place::Place;

/// Fills production's tables with so many batches of so many calls each, and
/// as many rows of `fileDistribution` and `lidStatus`.
pub async fn fill(place: &Place<'_>, batches: u32, calls: u32) {
    let numbers = format!("seq_1_to_{batches} AS b, seq_1_to_{calls} AS n");
    place
        .execute(&format!(
            "SET foreign_key_checks = 0, unique_checks = 0;
             START TRANSACTION;
             INSERT INTO auditForm (id, name) VALUES (1, 'form'), (2, NULL);
             INSERT INTO categoryMapping (id, name) VALUES (1, 'default'), (7, '');
             INSERT INTO `user` (id, name) VALUES (1, 'system'), (2, 'Zoë');
             INSERT INTO `language` (languageCode, languageText, isDisabled) VALUES
               ('en', 'English', 0), ('hi', 'Hindi', 0), ('HI', 'Hindi again', 1), ('hinglish', NULL, NULL), (NULL, NULL, NULL);
             INSERT INTO `process` (id, name, auditFormId, requestType) VALUES (1, 'default', 2, 'stt'), (4, '', NULL, NULL);
             INSERT INTO batchStatus (batchDate, currentBatch, batchStatus, remarks, createdAt, updatedAt, batchStartTime)
               SELECT CONCAT('0', b.seq, '-01-2020'), IF(b.seq % 7 = 3, 1, IF(b.seq % 5 = 2, NULL, 0)),
                 ELT(1 + b.seq % 3, 'Pending', 'InProgress', 'Complete'), IF(b.seq % 2, NULL, 'noted: 100 %\\n\\'ok\\''),
                 IF(b.seq % 4, '2020-02-30 10:00:00', '2020-01-05 23:59:59'), '2020-01-06', 'yesterday'
               FROM seq_1_to_{batches} AS b;
             INSERT INTO `call` (processId, categoryMappingId, userId, audioUrl, audioName, audioDuration, confidence, summary,
                 lang, languageId, status, metaData, createdAt, updatedAt, batchId, ip)
               SELECT IF(n.seq % 9, 1, NULL), 7, IF(n.seq % 11, 2, NULL), CONCAT('https://old/', n.seq),
                 {name}, n.seq / 7, IF(n.seq % 3, 0.1, NULL), IF(n.seq % 4, NULL, CONCAT('said ', n.seq, ' \\\\ \\'x\\' \\t')),
                 ELT(1 + n.seq % 6, 'en', 'unknown', '', 'Hindi', 'hi', NULL), IF(n.seq % 6 = 4, 2, NULL),
                 ELT(1 + n.seq % 4, 'Pending', 'Complete', 'AuditDone', NULL), IF(n.seq % 13, NULL, '{{}}'),
                 IF(n.seq % 10 = 9, NULL, '2020-01-05 10:00:00'), '2020-01-05 10:00:01', b.seq,
                 IF(n.seq % 8, CONCAT('10.0.0.', n.seq % 250), NULL)
               FROM {numbers};
             INSERT INTO fileDistribution (`file`, ip, lidDone, sttDone, batchId)
               SELECT {name}, '10.0.0.1', n.seq % 3, NULL, IF(n.seq % 50 = 7, NULL, b.seq) FROM {numbers};
             INSERT INTO lidStatus (audioName, `language`, lidProcessingTime, batchId, audioDuration, ip, createdAt)
               SELECT {name}, IF(n.seq % 5, 'Hindi', NULL), '0.5 s', IF(n.seq % 50 = 8, 0, b.seq), n.seq / 3, NULL,
                 '2020-01-05 11:00:00' FROM {numbers};
             INSERT INTO callMetadata (callId, payload, noted)
               SELECT id, UNHEX('00ff80'), '2020-01-05 11:00:00.123456' FROM `call` LIMIT 100;
             INSERT INTO tradeMetadata SELECT id, 18446744073709551615, 0.000001 FROM batchStatus;
             COMMIT",
            // Of one name in upper and lower case, with marks, with a blank at
            // its end, and with a character of four bytes.
            name = "CASE n.seq % 40 WHEN 0 THEN CONCAT('CALL-', n.seq, '.WAV') WHEN 1 THEN CONCAT('Call-', n.seq - 1, '.wav') \
                    WHEN 2 THEN CONCAT('cäll-', n.seq, '.wav ') WHEN 3 THEN CONCAT('😀-', n.seq, '.wav') WHEN 4 THEN '' \
                    WHEN 5 THEN NULL ELSE CONCAT('call-', b.seq, '-', n.seq, '.wav') END",
        ))
        .await;
}
