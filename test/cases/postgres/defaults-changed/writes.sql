INSERT INTO t (id, e) VALUES (21, NULL);
UPDATE t SET b = 7, d = NULL WHERE id = 1;
