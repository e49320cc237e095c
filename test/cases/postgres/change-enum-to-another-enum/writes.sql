UPDATE t SET m = 'sad' WHERE id = 1;
INSERT INTO t VALUES (31, 'great');
