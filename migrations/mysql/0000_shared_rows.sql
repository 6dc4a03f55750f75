-- The rows that foreign keys and defaults need. The languages are those of the
-- embedded database: sqlite/0003_languages.sql.
INSERT INTO `user` (id, name) VALUES (1, 'cofi');
INSERT INTO categoryMapping (id, name) VALUES (1, 'default');
INSERT INTO `process` (id, name, requestType) VALUES (1, 'default', 'sttwithllm');
