CREATE VIEW later WITH (security_barrier) AS SELECT a AS e FROM t WITH CHECK OPTION;
CREATE OR REPLACE VIEW plain AS SELECT id, a, b, c FROM t WHERE a > 4;
ALTER VIEW listed SET (security_invoker);
CREATE RULE last AS ON DELETE TO t DO INSERT INTO u (id) VALUES (OLD.id);
DROP VIEW many;
ALTER TABLE t ENABLE ALWAYS RULE noted;
UPDATE t SET a = a + 1 WHERE id <= 10;
DELETE FROM u WHERE id = 40;
INSERT INTO plain (id, a, b) VALUES (2000, 6, $$through a view$$);
