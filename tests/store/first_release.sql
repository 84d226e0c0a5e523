BEGIN TRANSACTION;
CREATE TABLE approvals (
	id INTEGER NOT NULL, 
	proposal_id VARCHAR(36) NOT NULL, 
	approver VARCHAR(200) NOT NULL, 
	channel VARCHAR(20) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	voided_at VARCHAR(32), 
	PRIMARY KEY (id), 
	FOREIGN KEY(proposal_id) REFERENCES proposals (id)
);
INSERT INTO "approvals" VALUES(1,'11111111-1111-4111-8111-111111111111','Ana','terminal','ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff','2026-03-02T09:30:00.000000Z',NULL);
CREATE TABLE approvers (
	name VARCHAR(200) NOT NULL, 
	passcode_hash TEXT NOT NULL, 
	added_at VARCHAR(32) NOT NULL, 
	removed_at VARCHAR(32), 
	failures INTEGER NOT NULL, 
	locked_until VARCHAR(32), 
	PRIMARY KEY (name)
);
INSERT INTO "approvers" VALUES('Ana','$argon2id$made-up','2026-03-02T09:30:00.000000Z',NULL,0,NULL);
CREATE TABLE attempts (
	id INTEGER NOT NULL, 
	proposal_id VARCHAR(36) NOT NULL, 
	idempotency_key VARCHAR(100) NOT NULL, 
	"before" TEXT NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	outcome VARCHAR(20), 
	upstream_id VARCHAR(200), 
	job_id VARCHAR(200), 
	reason TEXT, 
	settled_at VARCHAR(32), 
	PRIMARY KEY (id), 
	FOREIGN KEY(proposal_id) REFERENCES proposals (id)
);
INSERT INTO "attempts" VALUES(1,'11111111-1111-4111-8111-111111111111','11111111-1111-4111-8111-111111111111','{"due":"100.00"}','2026-03-02T09:30:00.000000Z',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE audit (
	seq INTEGER NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	actor VARCHAR(200) NOT NULL, 
	proposal_id VARCHAR(36), 
	body TEXT NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "audit" VALUES(1,'2026-03-02T09:30:00.000000Z','proposed','assistant','11111111-1111-4111-8111-111111111111','{"amount":"100.00"}','0000000000000000000000000000000000000000000000000000000000000000','76b4c78556e84cdfbfe0ae48188fb799fc30f25bc0b37e6e103772ca856c979f');
INSERT INTO "audit" VALUES(2,'2026-03-02T09:30:00.000000Z','posted','guard','11111111-1111-4111-8111-111111111111','{}','76b4c78556e84cdfbfe0ae48188fb799fc30f25bc0b37e6e103772ca856c979f','cb856961a36b6c39e167afecad7fc2ad27ff0a93506c2e15b1b870ffb776c3ce');
CREATE TABLE links (
	company_id VARCHAR(200) NOT NULL, 
	role VARCHAR(30) NOT NULL, 
	account_id VARCHAR(200) NOT NULL, 
	account_name TEXT NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (company_id, role)
);
INSERT INTO "links" VALUES('company-1','funding','acc-1','Checking','2026-03-02T09:30:00.000000Z');
CREATE TABLE meta (
	"key" VARCHAR(40) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema','1');
CREATE TABLE proposals (
	id VARCHAR(36) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	company_id VARCHAR(200) NOT NULL, 
	company_name TEXT NOT NULL, 
	environment VARCHAR(20) NOT NULL, 
	tool VARCHAR(40) NOT NULL, 
	fields TEXT NOT NULL, 
	summary TEXT NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	verdict VARCHAR(10) NOT NULL, 
	approvals_needed INTEGER NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	findings TEXT NOT NULL, 
	policy_version VARCHAR(64) NOT NULL, 
	preparer VARCHAR(200) NOT NULL, 
	amount VARCHAR(60), 
	currency VARCHAR(3), 
	vendor_id VARCHAR(200), 
	vendor_name TEXT, 
	bill_id VARCHAR(200), 
	record TEXT, 
	created_at VARCHAR(32) NOT NULL, 
	updated_at VARCHAR(32) NOT NULL, 
	expires_at VARCHAR(32) NOT NULL, 
	lease_owner VARCHAR(60), 
	lease_until VARCHAR(32), 
	PRIMARY KEY (id)
);
INSERT INTO "proposals" VALUES('11111111-1111-4111-8111-111111111111','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','company-1','Harbor & Pine','embedded','pay_bill','{"amount":"100.00","bill_id":"b1","lines":[{"a":"1"}],"memo":"na\u00efve \u2014 \u682a"}','Pay 100.00 USD to Acme','posted','ask',1,'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff','[{"code":"policy.ask","message":"asks","severity":"ask"}]','pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp','assistant','100.00','USD','v1','Acme','b1',NULL,'2026-03-02T09:30:00.000000Z','2026-03-02T09:30:00.000000Z','2026-03-05T09:30:00.000000Z',NULL,NULL);
CREATE TABLE questions (
	id VARCHAR(64) NOT NULL, 
	proposal_id VARCHAR(36) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	asked_at VARCHAR(32) NOT NULL, 
	expires_at VARCHAR(32) NOT NULL, 
	answered_at VARCHAR(32), 
	answer VARCHAR(20), 
	PRIMARY KEY (id), 
	FOREIGN KEY(proposal_id) REFERENCES proposals (id)
);
INSERT INTO "questions" VALUES('h0D5mOam3I3OZgj0oinKcgYFMHPm0_xE','11111111-1111-4111-8111-111111111111','ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff','2026-03-02T09:30:00.000000Z','2026-03-02T09:40:00.000000Z',NULL,NULL);
CREATE TABLE spend (
	id INTEGER NOT NULL, 
	proposal_id VARCHAR(36) NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	company_id VARCHAR(200) NOT NULL, 
	vendor_id VARCHAR(200) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	amount VARCHAR(60) NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(proposal_id) REFERENCES proposals (id)
);
INSERT INTO "spend" VALUES(1,'11111111-1111-4111-8111-111111111111','reserve','company-1','v1','USD','100.00','2026-03-02T09:30:00.000000Z');
INSERT INTO "spend" VALUES(2,'11111111-1111-4111-8111-111111111111','post','company-1','v1','USD','100.00','2026-03-02T09:30:00.000000Z');
CREATE INDEX proposals_by_bill ON proposals (company_id, bill_id);
CREATE INDEX proposals_by_state ON proposals (state, created_at);
CREATE UNIQUE INDEX one_open_proposal_per_digest ON proposals (company_id, digest) WHERE state in ('held', 'released', 'dispatching', 'unknown');
CREATE INDEX proposals_by_vendor ON proposals (company_id, vendor_id, state);
CREATE INDEX approvals_by_proposal ON approvals (proposal_id);
CREATE UNIQUE INDEX spend_once ON spend (proposal_id, kind);
CREATE INDEX spend_by_window ON spend (company_id, currency, at);
CREATE INDEX attempts_by_proposal ON attempts (proposal_id);
COMMIT;
