-- On the ledger, which is there by now. One statement; {shop} is the shop's database.
CREATE TRIGGER synapsor.marked AFTER UPDATE ON synapsor.ledger FOR EACH ROW
    INSERT INTO {shop}.marks SELECT NEW.`key`, NEW.proposal_id, UTC_TIMESTAMP(6) FROM DUAL
    WHERE NEW.report_state = 'delivered' AND NOT (OLD.report_state <=> 'delivered')
