UPDATE t SET c15 = c15 + 5;
UPDATE t SET note = 9 WHERE c0 = 1;
