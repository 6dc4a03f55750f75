-- The one row that the database as a whole has.
INSERT INTO cofiMeta (`one`, databaseId, controllerGeneration) VALUES (1, REPLACE(UUID(), '-', ''), 0);
