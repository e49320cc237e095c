UPDATE t SET a = ' x', b = ' x ', d = ' x ' WHERE id = 3;
INSERT INTO t VALUES ('zzzzz', 5, 'z', 'z', 'z', 'z ');
UPDATE t SET k = 'q ' WHERE id = 1;
