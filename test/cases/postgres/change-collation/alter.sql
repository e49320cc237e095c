ALTER a TYPE text COLLATE nd, ALTER b TYPE varchar(12) COLLATE "sv-x-icu", ALTER c TYPE text COLLATE "C"
