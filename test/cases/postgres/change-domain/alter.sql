ALTER a TYPE positive, ALTER b TYPE label, ALTER c TYPE bigint
