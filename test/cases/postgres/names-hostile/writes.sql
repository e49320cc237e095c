UPDATE "T 'a""ble" SET "I d" = "I d" + 100, "c\" = '"' WHERE "$1" % 3 = 0;
DELETE FROM "T 'a""ble" WHERE "ünï" = 4;
