UPDATE t SET k = 'RÉSUMÉ' WHERE k = 'resume';
UPDATE t SET k = 'straße' WHERE k = 'Strasse';
UPDATE t SET k = 'X' WHERE k = 'x';
DELETE FROM t WHERE k = 'y';
INSERT INTO t VALUES ('Y', 5);
UPDATE t SET note = note + 10;
